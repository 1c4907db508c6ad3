"""
Training a small neural network
===============================

:func:`skgd.minimize` accepts the weights of a network as a dict of arrays. The network has 3
inputs, 15 hidden units and 1 output, with sigmoid activations and no biases. It is trained by
squared error with a learning rate of 1.
"""

# %%
# The gradient is computed by backpropagation. It is compared with difference quotients before
# training.

import matplotlib.pyplot as plt
import numpy as np

import skgd

inputs = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0]])
targets = np.array([[1, 1, 0, 0, 0, 0, 1]]).T


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def outputs(weights):
    hidden = sigmoid(inputs @ weights["hidden"])
    return hidden, sigmoid(hidden @ weights["output"])


def cost(weights):
    return 0.5 * np.sum((outputs(weights)[1] - targets) ** 2)


def backpropagation(weights):
    hidden, output = outputs(weights)
    delta = (output - targets) * output * (1 - output)
    hidden_delta = delta @ weights["output"].T * hidden * (1 - hidden)
    return {"hidden": inputs.T @ hidden_delta, "output": hidden.T @ delta}


rng = np.random.RandomState(0)
start = {"hidden": rng.uniform(-1, 1, (3, 15)), "output": rng.uniform(-1, 1, (15, 1))}
print(f"largest difference: {skgd.check_gradient(cost, backpropagation, start):.0e}")

# %%
# After a thousand steps of gradient descent every output is on the correct side of 1/2. The
# default, limited-memory BFGS with a line search, needs no learning rate and fewer steps.

textbook = skgd.minimize(cost, start, jac=backpropagation, learning_rate=1.0, max_iter=1000)
default = skgd.minimize(cost, start, jac=backpropagation, max_iter=1000, gtol=1e-6)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, result in {"gd, learning rate 1": textbook, "default": default}.items():
    left.semilogy(result.history["fun"], label=f"{name}: {result.nit} steps")
left.set(xlabel="step", ylabel="cost")
left.legend()
right.bar(range(7), outputs(textbook.x)[1][:, 0], color=np.where(targets[:, 0] == 1, "C0", "C1"))
right.axhline(0.5, color="0.5", linestyle="--")
right.set_xticks(range(7), ["".join(map(str, row)) for row in inputs])
right.set(xlabel="input", ylabel="output", title="Target: 1 for blue, 0 for orange")

if __name__ == "__main__":
    plt.show()
