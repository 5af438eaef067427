"""Multi-layer perceptrons for scikit-learn, compiled."""
