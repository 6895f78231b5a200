// Runs a program that models/explore/program.py exported: a list of steps, each one of the functions
// below. An array is a flat Float32Array; its shape is known to whoever made the step.

"use strict";

function compute(program, ...inputs) {
  const values = [...inputs];
  for (const [place, array] of program.constants) values[place] = array;
  for (const [place, name, from, options] of program.steps)
    values[place] = OPERATIONS[name](...from.map((i) => values[i]), options);
  return values[program.output];
}

const size = (shape) => shape.reduce((product, n) => product * n, 1);

// A function of one number, for each element.
const each = (f) => (x, options) => x.map((value) => f(value, options));

// A function of two or three numbers. An array that is shorter begins again.
const pairs = (f) => (x, y, options) => {
  const out = new Float32Array(Math.max(x.length, y.length));
  for (let i = 0; i < out.length; i++) out[i] = f(x[i % x.length], y[i % y.length], options);
  return out;
};
const triples = (f) => (x, y, z) => {
  const out = new Float32Array(Math.max(x.length, y.length, z.length));
  for (let i = 0; i < out.length; i++)
    out[i] = f(x[i % x.length], y[i % y.length], z[i % z.length]);
  return out;
};

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const OPERATIONS = {
  add: pairs((x, y) => x + y),
  sub: pairs((x, y) => x - y),
  mul: pairs((x, y) => x * y),
  div: pairs((x, y) => x / y),
  power: pairs((x, y) => x ** y),
  maximum: pairs((x, y) => Math.max(x, y)),
  minimum: pairs((x, y) => Math.min(x, y)),
  where: triples((condition, x, y) => (condition ? x : y)),
  neg: each((x) => -x),
  abs: each((x) => Math.abs(x)),
  exp: each((x) => Math.exp(x)),
  log: each((x) => Math.log(x)),
  sqrt: each((x) => Math.sqrt(x)),
  sin: each((x) => Math.sin(x)),
  cos: each((x) => Math.cos(x)),
  tanh: each((x) => Math.tanh(x)),
  clip: each((x, { low, high }) => Math.min(Math.max(x, low ?? -Infinity), high ?? Infinity)),
  relu: each((x) => Math.max(x, 0)),
  leaky_relu: each((x, { slope }) => (x > 0 ? x : slope * x)),
  leaky_relu_grad: pairs((g, y, { slope }) => (y > 0 ? g : slope * g)),
  sigmoid: each(sigmoid),
  softplus: each(softplus),
  silu: each((x) => x * sigmoid(x)),
  silu_grad: pairs((g, x) => g * sigmoid(x) * (1 + x * (1 - sigmoid(x)))),

  // Elements in other places: element i of the answer is element index[i] of x.
  take(x, { index }) {
    return Float32Array.from(index, (i) => x[i]);
  },

  // Sums: element i of x is added to element index[i] of the answer.
  add_at(x, { index, size }) {
    const sums = new Float64Array(size);
    for (let i = 0; i < x.length; i++) sums[index[i]] += x[i];
    return Float32Array.from(sums);
  },

  // Rows of a table, such as an embedding.
  rows(table, index, { width }) {
    const out = new Float32Array(index.length * width);
    index.forEach((row, i) => out.set(table.subarray(row * width, (row + 1) * width), i * width));
    return out;
  },

  // Pieces of x and of y in turn: x and y one after the other along an axis.
  concatenate(x, y, { pieces: [a, b] }) {
    const out = new Float32Array(x.length + y.length);
    for (let i = 0; i * a < x.length; i++) {
      out.set(x.subarray(i * a, (i + 1) * a), i * (a + b));
      out.set(y.subarray(i * b, (i + 1) * b), i * (a + b) + a);
    }
    return out;
  },

  // x W^T + b, for each row of x.
  linear(x, w, b) {
    const width = w.length / b.length;
    const out = new Float32Array((x.length / width) * b.length);
    for (let i = 0; i < out.length; i++) {
      const row = Math.floor(i / b.length) * width;
      const column = (i % b.length) * width;
      let sum = b[i % b.length];
      for (let k = 0; k < width; k++) sum += x[row + k] * w[column + k];
      out[i] = sum;
    }
    return out;
  },

  // X Y, of matrices one after the other. A shorter Y begins again.
  matrix_product(x, y, { rows, inner, columns }) {
    const batches = x.length / (rows * inner);
    const out = new Float32Array(batches * rows * columns);
    for (let r = 0; r < batches * rows; r++) {
      const matrix = (Math.floor(r / rows) * inner * columns) % y.length;
      for (let k = 0; k < inner; k++) {
        const value = x[r * inner + k];
        for (let c = 0; c < columns; c++)
          out[r * columns + c] += value * y[matrix + k * columns + c];
      }
    }
    return out;
  },

  log_softmax(x, { width }) {
    const out = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += width) {
      const row = x.subarray(start, start + width);
      const largest = Math.max(...row);
      const total = largest + Math.log(row.reduce((sum, v) => sum + Math.exp(v - largest), 0));
      row.forEach((value, i) => (out[start + i] = value - total));
    }
    return out;
  },

  conv2d(x, w, b, sizes) {
    const images = x.length / size(sizes.image);
    const out = repeated(b, images * size(sizes.answer), size(sizes.answer.slice(1)));
    convolve(sizes, images, x, w, out, true);
    return out;
  },

  conv2d_input_grad(g, w, b, sizes) {
    const images = g.length / size(sizes.answer);
    const out = repeated(b, images * size(sizes.image), size(sizes.image.slice(1)));
    convolve(sizes, images, out, w, g, false);
    return out;
  },
};

// The bias of each channel at each of its pixels.
function repeated(b, length, pixels) {
  return Float32Array.from({ length }, (_, i) => b[Math.floor(i / pixels) % b.length]);
}

// Every product of a convolution is of a pixel of x, a tap of w and a pixel of y: forward, x w is
// added to y, and else y w to x. Taps that are zero, such as the dead ones of a mask, are left out.
function convolve({ image, answer, kernel, stride, padding, dilation }, images, x, w, y, forward) {
  const [inputs, height, width] = image;
  const [outputs, rows, columns] = answer;
  const taps = kernel[0] * kernel[1];
  for (let tap = 0; tap < w.length; tap++) {
    const weight = w[tap];
    if (weight === 0) continue;
    const output = Math.floor(tap / (inputs * taps));
    const input = Math.floor(tap / taps) % inputs;
    const down = Math.floor((tap % taps) / kernel[1]) * dilation[0] - padding[0];
    const right = ((tap % taps) % kernel[1]) * dilation[1] - padding[1];
    const first = Math.max(0, Math.ceil(-right / stride[1]));
    const end = Math.min(columns, Math.floor((width - 1 - right) / stride[1]) + 1);
    for (let n = 0; n < images; n++)
      for (let i = 0; i < rows; i++) {
        const row = i * stride[0] + down;
        if (row < 0 || row >= height) continue;
        const from = ((n * inputs + input) * height + row) * width + right;
        const to = ((n * outputs + output) * rows + i) * columns;
        if (forward)
          for (let j = first; j < end; j++) y[to + j] += x[from + j * stride[1]] * weight;
        else
          for (let j = first; j < end; j++) x[from + j * stride[1]] += y[to + j] * weight;
      }
  }
}
