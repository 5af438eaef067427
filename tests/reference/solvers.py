"""Solvers: what one step along a gradient does to the parameters."""

import numpy as np


class SGD:
    """Momentum as scikit-learn has it; `dampening` shrinks the new gradient."""

    def __init__(self, rate=0.1, momentum=0.9, nesterov=True, dampening=0.0):
        self.rate, self.momentum, self.nesterov = rate, momentum, nesterov
        self.dampening = dampening
        self.velocity = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        s = self.rate * (1 - self.dampening) * g
        self.velocity = self.momentum * self.velocity - s
        if self.nesterov:
            return theta + self.momentum * self.velocity - s
        return theta + self.velocity


class RMSprop:
    """Divide by the root of an exponential mean of squared gradients."""

    def __init__(self, rate=0.01, rho=0.9, epsilon=1e-8):
        self.rate, self.rho, self.epsilon = rate, rho, epsilon
        self.v = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.v = self.rho * self.v + (1 - self.rho) * g**2
        return theta - self.rate * g / (np.sqrt(self.v) + self.epsilon)


class Adam:
    """Adam as scikit-learn has it: the bias correction is in the step size."""

    def __init__(self, rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.rate, self.epsilon = rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.m, self.v, self.t = 0.0, 0.0, 0

    def update_moments(self, g):
        """Count a step and take g into both means."""
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.update_moments(g)
        rate = self.rate * np.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return theta - rate * self.m / (np.sqrt(self.v) + self.epsilon)


class AdamCorrected(Adam):
    """Adam as in the paper: unbiased moments, then the step."""

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.update_moments(g)
        m_hat = self.m / (1 - self.beta_1**self.t)
        v_hat = self.v / (1 - self.beta_2**self.t)
        return theta - self.rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class AMSGrad(Adam):
    """Adam with the largest second moment so far in place of the present one."""

    def __init__(self, *args):
        super().__init__(*args)
        self.v_max = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.update_moments(g)
        self.v_max = np.maximum(self.v_max, self.v)
        m_hat = self.m / (1 - self.beta_1**self.t)
        v_hat = self.v_max / (1 - self.beta_2**self.t)
        return theta - self.rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class NAdam(Adam):
    """Adam with Nesterov's momentum, which rises slowly, as PyTorch has it."""

    def mu(self, t):
        """Return the momentum of step t."""
        return self.beta_1 * (1 - 0.5 * 0.96 ** (0.004 * t))

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.update_moments(g)
        t = self.t
        product = np.prod([self.mu(i) for i in range(1, t + 1)])
        m_hat = self.mu(t + 1) * self.m / (1 - product * self.mu(t + 1))
        m_hat = m_hat + (1 - self.mu(t)) * g / (1 - product)
        v_hat = self.v / (1 - self.beta_2**t)
        return theta - self.rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class AdaGrad:
    """Divide by the root of the sum of all squared gradients."""

    def __init__(self, rate=0.01, epsilon=1e-10):
        self.rate, self.epsilon = rate, epsilon
        self.total = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        self.total = self.total + g**2
        return theta - self.rate * g / (np.sqrt(self.total) + self.epsilon)


class Lion:
    """Move by the sign of a mean of gradients."""

    def __init__(self, rate=1e-4, beta_1=0.9, beta_2=0.99):
        self.rate, self.beta_1, self.beta_2 = rate, beta_1, beta_2
        self.m = 0.0

    def step(self, theta, g):
        """Return theta after one step along the gradient g."""
        direction = np.sign(self.beta_1 * self.m + (1 - self.beta_1) * g)
        self.m = self.beta_2 * self.m + (1 - self.beta_2) * g
        return theta - self.rate * direction
