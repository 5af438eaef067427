"""An animation that may be thrown away; importing this imports matplotlib."""

from matplotlib.animation import FuncAnimation


class Animation(FuncAnimation):
    """A `FuncAnimation` that is silent when it is deleted before it was rendered.

    matplotlib warns then, since users who do not keep what they made never see it. Here
    the display made it, and keeps it: it goes when the display does, on purpose.
    """

    def __del__(self):
        """Leave out the warning, which is all that the base class does here."""
