"""Solvers: what one step along a gradient does to the parameters."""

import numpy as np


class SGD:
    """Momentum as scikit-learn has it."""

    def __init__(self, rate=0.1, momentum=0.9, nesterov=True):
        self.rate, self.momentum, self.nesterov = rate, momentum, nesterov
        self.velocity = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.velocity = self.momentum * self.velocity - self.rate * g
        if self.nesterov:
            return theta + self.momentum * self.velocity - self.rate * g
        return theta + self.velocity


class Adam:
    """Adam as scikit-learn has it: the bias correction is in the step size."""

    def __init__(self, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.rate, self.epsilon = rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.m, self.v, self.t = 0.0, 0.0, 0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        rate = self.rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return theta - rate * self.m / (np.sqrt(self.v) + self.epsilon)
