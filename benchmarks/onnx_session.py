"""A fitted classifier as an ONNX model, run by ONNX Runtime."""


class OnnxClassifier:
    """The same network as a fitted classifier of several classes.

    Parameters
    ----------
    model : fitted MLPClassifier
        Of float32 numbers.

    Raises
    ------
    ImportError
        If onnx or onnxruntime is not installed.
    """

    def __init__(self, model):
        import onnxruntime

        program = _probabilities_only(model)
        self._session = onnxruntime.InferenceSession(
            program.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        self.classes_ = model.classes_

    def predict_proba(self, X):
        """Return the probabilities of the classes for float32 rows."""
        return self._session.run(["probabilities"], {"X": X})[0]

    def predict(self, X):
        """Return the most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _probabilities_only(model):
    """Return the model without its labels, which would be computed in each call."""
    from onnx.utils import Extractor

    from fastnn.onnx import to_onnx

    return Extractor(to_onnx(model)).extract_model(["X"], ["probabilities"])
