"""Derivations as students hand them in, and the mistakes that they make in them.

Each derivation is the text of a file that defines f and the right df. A mistake replaces a piece
of this text; `words` are what the diagnosis of it must contain.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    what: str
    right: str
    written: str
    words: tuple[str, ...]  # "a|b" means one of the two


DERIVATIONS: dict[str, tuple[str, list[Mistake]]] = {}


def derivation(name: str, text: str, *mistakes: tuple) -> None:
    made = [
        Mistake(what, right, written, tuple(words)) for what, right, written, *words in mistakes
    ]
    for mistake in made:
        assert text.count(mistake.right) == 1, mistake
    DERIVATIONS[name] = ("import numpy as np\n" + text, made)


derivation(
    "softmax and cross-entropy",
    """
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def f(z=np.array([[0.3, -1.2, 0.8], [1.1, 0.2, -0.4], [-0.7, 0.5, 0.9], [0.2, 1.4, -1.0]]),
      y=np.array([0, 2, 1, 1])):
    p = softmax(z)
    return -np.log(p[np.arange(len(y)), y]).mean()

def df(z, y):
    p = softmax(z)
    one_hot = np.eye(3)[y]
    dz = (p - one_hot) / len(y)
    return dz
""",
    ("not divided by N", "(p - one_hot) / len(y)", "p - one_hot", "4 times", "4 is the length"),
    ("the sign", "(p - one_hot) / len(y)", "(one_hot - p) / len(y)", "sign"),
    ("the softmax's derivative kept", "return dz", "return dz * p * (1 - p)", "p * (1 - p)"),
    ("divided by the number of classes", "/ len(y)\n    return", "/ z.shape[1]\n    return",
     "4/3 times"),
    ("the one-hot labels forgotten", "(p - one_hot)", "p", "one_hot"),
)  # fmt: skip

derivation(
    "cross-entropy of logits",
    """
rng = np.random.default_rng(1)
X = rng.normal(size=(6, 3))
Y = np.array([0, 1, 1, 0, 1, 0])

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def f(w=np.array([0.5, -1.0, 0.3]), b=0.2):
    p = sigmoid(X @ w + b)
    return -(Y * np.log(p) + (1 - Y) * np.log(1 - p)).mean()

def df(w, b):
    p = sigmoid(X @ w + b)
    dz = (p - Y) / len(Y)
    dw = X.T @ dz
    db = dz.sum()
    return dw, db
""",
    ("sigma' kept", "(p - Y) / len(Y)", "(p - Y) * p * (1 - p) / len(Y)", "p * (1 - p)"),
    ("labels and probabilities exchanged", "(p - Y)", "(Y - p)", "sign"),
    ("a mean for the sum in b", "dz.sum()", "dz.mean()", "6 times|1/6 times"),
    ("no sum in b", "dz.sum()", "dz", "sum over axis 0"),
    ("w and b exchanged", "return dw, db", "return db, dw", "exchanged"),
    ("the sigmoid forgotten", "    p = sigmoid(X @ w + b)\n    dz", "    p = X @ w + b\n    dz",
     "sigmoid|1 / (1 + np.exp(-p))"),
)  # fmt: skip

derivation(
    "squares of a sigmoid",
    """
T = np.array([0.2, 0.9, 0.5, 0.1])

def f(z=np.array([0.4, -0.6, 1.2, 0.1])):
    a = 1 / (1 + np.exp(-z))
    return 0.5 * np.sum((a - T) ** 2)

def df(z):
    a = 1 / (1 + np.exp(-z))
    return (a - T) * a * (1 - a)
""",
    ("sigma' forgotten", "(a - T) * a * (1 - a)", "a - T", "a * (1 - a)"),
    ("half of sigma'", "(a - T) * a * (1 - a)", "(a - T) * a", "1 - a"),
    ("the 2 of a square without its half", "return (a - T)", "return 2 * (a - T)", "2 times"),
    ("tanh's derivative", "(a - T) * a * (1 - a)", "(a - T) * (1 - a ** 2)",
     "a * (1 - a)"),
)  # fmt: skip

derivation(
    "batch norm",
    """
rng = np.random.default_rng(2)
G = rng.normal(size=(6, 3))
EPS = 1e-3

def f(x=rng.normal(size=(6, 3)), gamma=np.array([1.5, 0.7, -1.2]), beta=np.array([0.1, 0.2, 0.3])):
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)
    xhat = (x - mu) / np.sqrt(var + EPS)
    y = gamma * xhat + beta
    return (G * y).sum()

def df(x, gamma, beta):
    n = len(x)
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).sum(axis=0) / n
    std = np.sqrt(var + EPS)
    xhat = (x - mu) / std
    dxhat = G * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / std
    dgamma = (G * xhat).sum(axis=0)
    dbeta = G.sum(axis=0)
    return dx, dgamma, dbeta
""",
    ("no variance term", " - xhat * (dxhat * xhat).mean(axis=0)) / std", ") / std", "variance"),
    ("no mean term", "dxhat - dxhat.mean(axis=0) - xhat", "dxhat - xhat", "mean"),
    ("neither term", "dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)", "dxhat",
     "mean", "variance"),
    ("gamma forgotten", "G * gamma", "G", "gamma"),
    ("n - 1 in the variance", "/ n\n", "/ (n - 1)\n", "n - 1"),
    ("eps forgotten", "std = np.sqrt(var + EPS)", "std = np.sqrt(var)", "EPS"),
    ("no sum in gamma", "(G * xhat).sum(axis=0)", "G * xhat", "sum over axis 0"),
    ("not divided by the deviation", "(dxhat * xhat).mean(axis=0)) / std",
     "(dxhat * xhat).mean(axis=0))", "std"),
    ("the variance for the deviation", "(dxhat * xhat).mean(axis=0)) / std",
     "(dxhat * xhat).mean(axis=0)) / var", "std|sqrt"),
    ("x for xhat in gamma", "(G * xhat).sum(axis=0)", "(G * x).sum(axis=0)", "xhat"),
)  # fmt: skip

derivation(
    "layer norm",
    """
rng = np.random.default_rng(3)
WEIGHTS = rng.normal(size=(3, 5))
GAIN = np.array([1.2, 0.8, -0.5, 1.7, 0.3])

def f(x=rng.normal(size=(3, 5))):
    mean = x.mean(axis=1, keepdims=True)
    std = np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)
    return np.sum(WEIGHTS * GAIN * (x - mean) / std)

def df(x):
    mean = x.mean(axis=1, keepdims=True)
    std = np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)
    xhat = (x - mean) / std
    g = WEIGHTS * GAIN
    m1 = g.mean(axis=1, keepdims=True)
    m2 = (g * xhat).mean(axis=1, keepdims=True)
    return (g - m1 - xhat * m2) / std
""",
    ("the gain forgotten", "g = WEIGHTS * GAIN", "g = WEIGHTS", "GAIN"),
    ("no variance term", "g - m1 - xhat * m2", "g - m1", "variance|m2"),
    ("over the batch", "m1 = g.mean(axis=1,", "m1 = g.mean(axis=0,", "axis"),
    ("a sum for a mean", "(g * xhat).mean(axis=1", "(g * xhat).sum(axis=1", "1/5 times|mean"),
    ("the second term's sign", "- xhat * m2", "+ xhat * m2", "should be `g - m1 - xhat * m2`"),
)  # fmt: skip

derivation(
    "convolution in one dimension, with a bias",
    """
G = np.array([0.3, -1.2, 0.7, 0.9, -0.4, 1.1])

def f(x=np.array([0.5, -0.1, 1.3, 0.8, -0.6, 0.2, 1.9, -1.4]), k=np.array([0.2, -0.5, 1.1]), b=0.4):
    y = np.correlate(x, k, "valid") + b
    return (G * y).sum()

def df(x, k, b):
    dx = np.convolve(G, k, "full")
    dk = np.correlate(x, G, "valid")
    db = G.sum()
    return dx, dk, db
""",
    ("the kernel not turned", 'np.convolve(G, k, "full")', 'np.correlate(G, k, "full")', "turned"),
    ("turned where it should not be", 'np.correlate(x, G, "valid")\n    db',
     'np.convolve(x, G, "valid")\n    db', "turned"),
    ("the weights' gradient backwards", "return dx, dk, db", "return dx, dk[::-1], db", "turned"),
    ("a mean in the bias", "db = G.sum()", "db = G.mean()", "6 times|1/6 times"),
    ("the bias without a sum", "db = G.sum()", "db = G", "sum over axis 0"),
)  # fmt: skip

derivation(
    "convolution in two dimensions, with a bias",
    """
rng = np.random.default_rng(4)
G = rng.normal(size=(2, 3, 4, 4))

B = np.array([0.1, -0.3, 0.2])

def f(x=rng.normal(size=(2, 2, 6, 6)), w=rng.normal(size=(3, 2, 3, 3)), b=B):
    out = np.zeros((2, 3, 4, 4))
    for i in range(4):
        for j in range(4):
            out[:, :, i, j] = np.einsum("nchw,ochw->no", x[:, :, i:i+3, j:j+3], w) + b
    return (G * out).sum()

def df(x, w, b):
    dw = np.zeros(w.shape)
    for i in range(4):
        for j in range(4):
            dw += np.einsum("no,nchw->ochw", G[:, :, i, j], x[:, :, i:i+3, j:j+3])
    padded = np.pad(G, ((0, 0), (0, 0), (2, 2), (2, 2)))
    turned = w[:, :, ::-1, ::-1]
    dx = np.zeros(x.shape)
    for i in range(6):
        for j in range(6):
            dx[:, :, i, j] = np.einsum("nohw,ochw->nc", padded[:, :, i:i+3, j:j+3], turned)
    db = G.sum(axis=(0, 2, 3))
    return dx, dw, db
""",
    ("the kernel not turned", "turned = w[:, :, ::-1, ::-1]", "turned = w", "turned"),
    ("turned along one axis only", "turned = w[:, :, ::-1, ::-1]", "turned = w[:, :, ::-1]",
     "turned"),
    ("the weights' gradient turned", "return dx, dw, db", "return dx, dw[:, :, ::-1, ::-1], db",
     "turned"),
    ("a mean over the batch", "return dx, dw, db", "return dx, dw / 2, db", "1/2 times"),
    ("the bias summed over the batch only", "G.sum(axis=(0, 2, 3))", "G.sum(axis=0)",
     "sum over axis 1, 2|sum over axes 1, 2"),
)  # fmt: skip

derivation(
    "the loss of a VAE",
    """
rng = np.random.default_rng(5)
NOISE = rng.normal(size=(4, 2))
X = (rng.random((4, 3)) > 0.5).astype(float)

def f(mu=rng.normal(size=(4, 2)), logvar=rng.normal(size=(4, 2)), W=rng.normal(size=(2, 3))):
    z = mu + np.exp(0.5 * logvar) * NOISE
    logits = z @ W
    bce = np.sum(np.logaddexp(0, logits) - X * logits)
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return (bce + kl) / 4

def df(mu, logvar, W):
    sigma = np.exp(0.5 * logvar)
    z = mu + sigma * NOISE
    p = 1 / (1 + np.exp(-z @ W))
    dlogits = p - X
    dz = dlogits @ W.T
    dmu = (dz + mu) / 4
    dlogvar = (dz * NOISE * 0.5 * sigma + 0.5 * (sigma**2 - 1)) / 4
    dW = z.T @ dlogits / 4
    return dmu, dlogvar, dW
""",
    ("no KL in mu", "dmu = (dz + mu) / 4", "dmu = dz / 4", "mu"),
    ("the KL's sign", "dmu = (dz + mu) / 4", "dmu = (dz - mu) / 4", "should be `dz + mu`"),
    ("the half of sigma forgotten", "dz * NOISE * 0.5 * sigma", "dz * NOISE * sigma", "1/2 times"),
    ("the variance for sigma", "dz * NOISE * 0.5 * sigma", "dz * NOISE * 0.5 * np.exp(logvar)",
     "sigma|0.5|1/2"),
    ("the noise forgotten", "dz * NOISE * 0.5 * sigma", "dz * 0.5 * sigma", "NOISE"),
    ("the half of the KL forgotten", "0.5 * (sigma**2 - 1)", "(sigma**2 - 1)", "1/2 times"),
    ("sigma for the variance in the KL", "(sigma**2 - 1)", "(sigma - 1)", "sigma"),
    ("the KL's 1 forgotten", "0.5 * (sigma**2 - 1)", "0.5 * sigma**2", "constant|1"),
    ("sigma' of the decoder kept", "dlogits = p - X", "dlogits = (p - X) * p * (1 - p)",
     "p * (1 - p)"),
)  # fmt: skip

derivation(
    "a linear layer's mean squared error",
    """
rng = np.random.default_rng(6)
TARGET = rng.normal(size=(4, 3))

def f(x=rng.normal(size=(4, 3)), W=rng.normal(size=(3, 3)), b=rng.normal(size=3)):
    return np.mean((x @ W + b - TARGET) ** 2)

def df(x, W, b):
    residual = x @ W + b - TARGET
    g = 2 * residual / residual.size
    return g @ W.T, x.T @ g, g.sum(axis=0)
""",
    ("W not transposed", "g @ W.T", "g @ W", "`W`", "transposed"),
    ("the product the other way round", "x.T @ g", "g.T @ x", "transposed"),
    ("divided by N, not by all", "residual.size", "len(residual)", "3 times"),
    ("the 2 forgotten", "2 * residual", "residual", "1/2 times|2"),
    ("the bias summed over the wrong axis", "g.sum(axis=0)", "g.sum(axis=1)", "axis"),
    ("the bias a mean", "g.sum(axis=0)", "g.mean(axis=0)", "1/4 times|sum"),
    ("x's and W's in the wrong shape", "return g @ W.T, x.T @ g,", "return g @ W.T, (x.T @ g).T,",
     "transposed"),
)  # fmt: skip

derivation(
    "ridge regression",
    """
rng = np.random.default_rng(7)
A = rng.normal(size=(7, 4))
y = rng.normal(size=7)
LAMBDA = 0.3

def f(w=rng.normal(size=4)):
    return ((A @ w - y) ** 2).sum() + LAMBDA * (w ** 2).sum()

def df(w):
    return 2 * A.T @ (A @ w - y) + 2 * LAMBDA * w
""",
    ("the penalty forgotten", " + 2 * LAMBDA * w", "", "w", "missing"),
    ("lambda forgotten", "2 * LAMBDA * w", "2 * w", "LAMBDA"),
    ("the penalty's 2 forgotten", "2 * LAMBDA * w", "LAMBDA * w", "2 times"),
    ("the penalty subtracted", "+ 2 * LAMBDA * w", "- 2 * LAMBDA * w", "sign"),
)  # fmt: skip

derivation(
    "logistic regression with labels of a sign",
    """
rng = np.random.default_rng(8)
X = rng.normal(size=(5, 3))
t = np.array([1.0, -1.0, -1.0, 1.0, -1.0])

def f(w=np.array([0.2, -0.4, 0.9])):
    margin = t * (X @ w)
    return np.log(1 + np.exp(-margin)).sum()

def df(w):
    margin = t * (X @ w)
    s = 1 / (1 + np.exp(margin))
    return -X.T @ (t * s)
""",
    ("the labels forgotten", "(t * s)", "s", "`t`"),
    ("sigma of the margin's wrong sign", "np.exp(margin))", "np.exp(-margin))", "sign"),
    ("the sign", "-X.T", "X.T", "sign"),
)  # fmt: skip

derivation(
    "a perceptron with tanh",
    """
rng = np.random.default_rng(9)
x = rng.normal(size=(5, 2))
y = rng.normal(size=(5, 3))

def f(W1=rng.normal(size=(2, 3)), b1=rng.normal(size=3), W2=rng.normal(size=(3, 3))):
    h = np.tanh(x @ W1 + b1)
    return 0.5 * np.sum((h @ W2 - y) ** 2)

def df(W1, b1, W2):
    h = np.tanh(x @ W1 + b1)
    dout = h @ W2 - y
    dW2 = h.T @ dout
    dh = dout @ W2.T
    da = dh * (1 - h ** 2)
    dW1 = x.T @ da
    db1 = da.sum(axis=0)
    return dW1, db1, dW2
""",
    ("tanh' forgotten", "da = dh * (1 - h ** 2)", "da = dh", "1 - h"),
    ("the square in tanh' forgotten", "1 - h ** 2", "1 - h", "`h"),
    ("tanh twice in tanh'", "1 - h ** 2", "1 - np.tanh(h) ** 2", "h"),
    ("sigma' for tanh'", "dh * (1 - h ** 2)", "dh * h * (1 - h)",
     "1 - h ** 2|`h` lacks the term `1`"),
    ("W2 not transposed", "dout @ W2.T", "dout @ W2", "`W2`", "transposed"),
    ("the inner gradient for the outer", "dW2 = h.T @ dout", "dW2 = np.tanh(h).T @ dout", "h"),
)  # fmt: skip

derivation(
    "the likelihood of a Gaussian",
    """
DATA = np.array([0.3, 1.9, -0.7, 2.2, 1.1])

def f(mu=np.array([0.1, 0.5, 0.2, 1.0, 0.7]), sigma=np.array([0.8, 1.3, 0.6, 1.7, 2.1])):
    return np.sum(0.5 * np.log(2 * np.pi * sigma ** 2) + (DATA - mu) ** 2 / (2 * sigma ** 2))

def df(mu, sigma):
    d = DATA - mu
    dmu = -d / sigma ** 2
    dsigma = 1 / sigma - d ** 2 / sigma ** 3
    return dmu, dsigma
""",
    ("sigma for its square", "-d / sigma ** 2", "-d / sigma", "sigma"),
    ("the sign of mu", "-d / sigma ** 2", "d / sigma ** 2", "sign"),
    ("the square for the cube", "d ** 2 / sigma ** 3", "d ** 2 / sigma ** 2", "sigma"),
    ("the normalisation forgotten", "1 / sigma - d ** 2", "- d ** 2", "1 / sigma"),
    ("a half of the logarithm kept", "1 / sigma - d", "0.5 / sigma - d", "2 times|1"),
)  # fmt: skip

derivation(
    "softmax",
    """
C = np.array([0.7, -1.3, 0.4, 2.1])

def f(z=np.array([0.1, -0.5, 0.9, 0.3])):
    s = np.exp(z) / np.exp(z).sum()
    return C @ s

def df(z):
    s = np.exp(z) / np.exp(z).sum()
    return s * (C - C @ s)
""",
    ("a diagonal for the Jacobian", "s * (C - C @ s)", "C * s * (1 - s)", "Jacobian"),
    ("its second half forgotten", "s * (C - C @ s)", "s * C", "`s`|Jacobian|C @ s"),
    ("the sign between the halves", "C - C @ s", "C + C @ s", "should be `C - C @ s`"),
    ("the first factor forgotten", "s * (C - C @ s)", "C - C @ s", "`s`"),
)  # fmt: skip

derivation(
    "attention",
    """
rng = np.random.default_rng(10)
G = rng.normal(size=(3, 3))
d = 3

def softmax(s):
    e = np.exp(s)
    return e / e.sum(axis=1, keepdims=True)

def f(q=rng.normal(size=(3, 3)), k=rng.normal(size=(3, 3)), v=rng.normal(size=(3, 3))):
    a = softmax(q @ k.T / np.sqrt(d))
    return np.sum(G * (a @ v))

def df(q, k, v):
    a = softmax(q @ k.T / np.sqrt(d))
    dv = a.T @ G
    da = G @ v.T
    ds = a * (da - (a * da).sum(axis=1, keepdims=True)) / np.sqrt(d)
    return ds @ k, ds.T @ q, dv
""",
    ("the root of d forgotten", "keepdims=True)) / np.sqrt(d)\n    return",
     "keepdims=True))\n    return", "sqrt(d)"),
    ("a diagonal for the Jacobian", "a * (da - (a * da).sum(axis=1, keepdims=True))",
     "da * a * (1 - a)", "Jacobian"),
    ("the scores not transposed", "ds.T @ q", "ds @ q", "`ds`", "transposed"),
    ("the weights not transposed", "a.T @ G", "a @ G", "`a`", "transposed"),
    ("q's and k's exchanged", "return ds @ k, ds.T @ q, dv", "return ds.T @ q, ds @ k, dv",
     "exchanged"),
    ("the values not transposed", "G @ v.T", "G @ v", "`v`", "transposed"),
)  # fmt: skip

derivation(
    "the loss of a DDPM",
    """
rng = np.random.default_rng(11)
eps = rng.normal(size=(4, 3))
abar = np.array([[0.9], [0.6], [0.3], [0.1]])

def f(x0=rng.normal(size=(4, 3)), W=rng.normal(size=(3, 3))):
    xt = np.sqrt(abar) * x0 + np.sqrt(1 - abar) * eps
    return ((eps - xt @ W) ** 2).mean()

def df(x0, W):
    xt = np.sqrt(abar) * x0 + np.sqrt(1 - abar) * eps
    diff = 2 * (xt @ W - eps) / eps.size
    dW = xt.T @ diff
    dx0 = np.sqrt(abar) * (diff @ W.T)
    return dx0, dW
""",
    ("the signal's scale forgotten", "np.sqrt(abar) * (diff @ W.T)", "diff @ W.T", "abar"),
    ("its root forgotten", "np.sqrt(abar) * (diff @ W.T)", "abar * (diff @ W.T)", "abar"),
    ("x_0 for x_t", "dW = xt.T @ diff", "dW = x0.T @ diff", "xt"),
    ("noise and prediction exchanged", "(xt @ W - eps)", "(eps - xt @ W)", "sign"),
    ("the noise's scale for the signal's", "np.sqrt(abar) * (diff", "np.sqrt(1 - abar) * (diff",
     "abar"),
)  # fmt: skip

derivation(
    "reparameterisation",
    """
E = np.array([0.4, -1.1, 0.9])
TARGET = np.array([1.0, 0.0, -1.0])

def f(mu=np.array([1.5, -0.3, 0.2]), rho=np.array([-0.5, 0.8, 0.1])):
    sigma = np.log(1 + np.exp(rho))
    z = mu + sigma * E
    return np.sum((z - TARGET) ** 2)

def df(mu, rho):
    sigma = np.log(1 + np.exp(rho))
    dz = 2 * (mu + sigma * E - TARGET)
    dsigma = dz * E
    return dz, dsigma / (1 + np.exp(-rho))
""",
    ("the noise forgotten", "dsigma = dz * E", "dsigma = dz", "`E`"),
    ("softplus' forgotten", "dsigma / (1 + np.exp(-rho))", "dsigma", "sigmoid(rho)|np.exp(-rho)"),
    ("the gradient of exp for softplus'", "dsigma / (1 + np.exp(-rho))", "dsigma * np.exp(rho)",
     "rho"),
    ("the 2 forgotten", "dz = 2 * (", "dz = (", "1/2 times"),
)  # fmt: skip

derivation(
    "a chain of sigmoids",
    """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def f(w1=0.7, w2=-1.3, w3=0.8, x=0.6):
    a1 = sigmoid(w1 * x)
    a2 = sigmoid(w2 * a1)
    return sigmoid(w3 * a2)

def df(w1, w2, w3, x):
    a1 = sigmoid(w1 * x)
    a2 = sigmoid(w2 * a1)
    a3 = sigmoid(w3 * a2)
    d3 = a3 * (1 - a3)
    d2 = d3 * w3 * a2 * (1 - a2)
    d1 = d2 * w2 * a1 * (1 - a1)
    return d1 * x, d2 * a1, d3 * a2, d1 * w1
""",
    ("an inner sigma' forgotten", "d1 = d2 * w2 * a1 * (1 - a1)", "d1 = d2 * w2", "a1 * (1 - a1)"),
    ("a weight forgotten", "d2 = d3 * w3 * a2 * (1 - a2)", "d2 = d3 * a2 * (1 - a2)", "w3"),
    ("the input forgotten", "d1 * x,", "d1,", "`x`"),
    ("a weight of another layer", "d1 = d2 * w2 *", "d1 = d2 * w3 *", "w2"),
    ("the activation of another layer", "d2 * a1,", "d2 * a2,", "a1"),
)  # fmt: skip

derivation(
    "cosine similarity",
    """
def f(u=np.array([0.4, -1.2, 0.9]), v=np.array([1.1, 0.3, 0.7])):
    return u @ v / (np.linalg.norm(u) * np.linalg.norm(v))

def df(u, v):
    nu, nv = np.linalg.norm(u), np.linalg.norm(v)
    cos = u @ v / (nu * nv)
    return v / (nu * nv) - cos * u / nu ** 2, u / (nu * nv) - cos * v / nv ** 2
""",
    ("the norm's own gradient forgotten", "- cos * u / nu ** 2,", ",", "u", "missing"),
    ("the norm for its square", "cos * u / nu ** 2", "cos * u / nu", "nu"),
    ("the sign between the terms", "- cos * u / nu", "+ cos * u / nu", "sign"),
    ("the cosine forgotten", "- cos * u / nu", "- u / nu", "cos"),
)  # fmt: skip

derivation(
    "log-sum-exp with a temperature",
    """
TAU = 0.7

def f(z=np.array([[0.1, -0.5, 0.9], [1.2, 0.3, -0.8]])):
    return np.sum(TAU * np.log(np.sum(np.exp(z / TAU), axis=1)))

def df(z):
    e = np.exp(z / TAU)
    return e / e.sum(axis=1, keepdims=True)
""",
    ("not normalised", "e / e.sum(axis=1, keepdims=True)", "e", "sum"),
    ("normalised over all", "e.sum(axis=1, keepdims=True)", "e.sum()", "axis"),
    ("the temperature twice", "return e / e", "return e / TAU / e", "TAU"),
    ("the temperature forgotten", "np.exp(z / TAU)\n    return", "np.exp(z)\n    return", "TAU"),
)  # fmt: skip
