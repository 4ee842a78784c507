// Gates on a state, or on a part of it that was gathered.
//
// Two layouts share all code. Batch: lanes are independent states, all qubits are "high" bits of the amplitude's
// index. Wide: one state, whose lowest qubits are the lanes.
#pragma once
#include <utility>

#include "program.hpp"

namespace coldplate {

enum class Layout { batch, wide };

template <class R> struct Matrix2V {  // a matrix for every lane
  Vec<R> ar, ai, br, bi, cr, ci, dr, di;
};

// An operation that is ready to be applied: its qubits are those of the view it will be applied to.
template <class R> struct Ready {
  Code code;
  int q0 = -1, q1 = -1;
  bool diagonal = false;
  Matrix2V<R> m;                    // of blocks; of rzz: ar, ai = cos, -sin of half the angle; of cz: ar = the sign
  Mask<R> active;                   // lanes that take part
  const Dense *dense = nullptr;
  std::vector<int> qubits;          // of dense
};

template <class R> struct View {
  Amplitude<R> *at;
  int high;  // bits of the index
};

template <class R, Layout L> constexpr int lane_bits = L == Layout::wide ? log_width<R> : 0;

template <class R> inline Mask<R> lane_index() {
  Mask<R> index;
  for (int lane = 0; lane < width<R>; ++lane) index[lane] = lane;
  return index;
}

// Lanes in another order.
template <class R> inline Vec<R> permute(Vec<R> x, Mask<R> from) {
#if defined(__clang__)
  Vec<R> found;
  for (int lane = 0; lane < width<R>; ++lane) found[lane] = x[from[lane]];
  return found;
#else
  return __builtin_shuffle(x, from);
#endif
}

template <class R> inline Vec<R> choose(Mask<R> where, Vec<R> yes, Vec<R> no) { return where ? yes : no; }

template <class R> inline void pair(Amplitude<R> &x, Amplitude<R> &y, const Matrix2V<R> &m) {
  const Vec<R> xr = x.re, xi = x.im, yr = y.re, yi = y.im;
  x.re = (m.ar * xr - m.ai * xi) + (m.br * yr - m.bi * yi);
  x.im = (m.ar * xi + m.ai * xr) + (m.br * yi + m.bi * yr);
  y.re = (m.cr * xr - m.ci * xi) + (m.dr * yr - m.di * yi);
  y.im = (m.cr * xi + m.ci * xr) + (m.dr * yi + m.di * yr);
}

template <class R> inline void scale(Amplitude<R> &x, Vec<R> re, Vec<R> im) {
  const Vec<R> xr = x.re, xi = x.im;
  x.re = re * xr - im * xi;
  x.im = re * xi + im * xr;
}

template <class R> void apply_high(View<R> v, int bit, const Ready<R> &op) {
  const size_t step = size_t(1) << bit, size = size_t(1) << v.high;
  const Matrix2V<R> m = op.m;
  for (size_t base = 0; base < size; base += 2 * step) {
    Amplitude<R> *zero = v.at + base, *one = zero + step;
    if (op.diagonal)
      for (size_t k = 0; k < step; ++k) scale(zero[k], m.ar, m.ai), scale(one[k], m.dr, m.di);
    else
      for (size_t k = 0; k < step; ++k) pair(zero[k], one[k], m);
  }
}

// Diagonal with 1 first, as rotations about Z and damping are: only half of the state changes.
template <class R> void apply_phase(View<R> v, int bit, Vec<R> re, Vec<R> im) {
  const size_t step = size_t(1) << bit, size = size_t(1) << v.high;
  for (size_t base = step; base < size; base += 2 * step)
    for (size_t k = base; k < base + step; ++k) scale(v.at[k], re, im);
}

template <class R> void apply_lane(View<R> v, int qubit, const Ready<R> &op) {
  const Mask<R> index = lane_index<R>(), bit = ((index >> qubit) & 1) != 0, other = index ^ (Mask<R>{} + (1 << qubit));
  const Matrix2V<R> &m = op.m;
  const Vec<R> own_r = choose<R>(bit, m.dr, m.ar), own_i = choose<R>(bit, m.di, m.ai);
  const Vec<R> far_r = choose<R>(bit, m.cr, m.br), far_i = choose<R>(bit, m.ci, m.bi);
  const size_t size = size_t(1) << v.high;
  for (size_t k = 0; k < size; ++k) {
    const Vec<R> xr = v.at[k].re, xi = v.at[k].im;
    const Vec<R> yr = permute<R>(xr, other), yi = permute<R>(xi, other);
    v.at[k].re = (own_r * xr - own_i * xi) + (far_r * yr - far_i * yi);
    v.at[k].im = (own_r * xi + own_i * xr) + (far_r * yi + far_i * yr);
  }
}

template <class R> inline bool is_one(Vec<R> re, Vec<R> im) {
  bool found = true;
  for (int lane = 0; lane < width<R>; ++lane) found &= re[lane] == 1 && im[lane] == 0;
  return found;
}

template <class R, Layout L> void apply_block(View<R> v, const Ready<R> &op) {
  constexpr int lanes = lane_bits<R, L>;
  if (op.q0 < lanes) return apply_lane(v, op.q0, op);
  if (op.diagonal && is_one<R>(op.m.ar, op.m.ai)) return apply_phase(v, op.q0 - lanes, op.m.dr, op.m.di);
  apply_high(v, op.q0 - lanes, op);
}

template <class R, Layout L> void apply_cz(View<R> v, const Ready<R> &op) {
  constexpr int lanes = lane_bits<R, L>;
  const int a = std::min(op.q0, op.q1), b = std::max(op.q0, op.q1);
  const size_t size = size_t(1) << v.high;
  Vec<R> sign = op.m.ar;
  if (a < lanes) {
    const Mask<R> index = lane_index<R>();
    Mask<R> bit = ((index >> a) & 1) != 0;
    if (b < lanes) bit &= ((index >> b) & 1) != 0;
    sign = choose<R>(bit, sign, all<R>(1));
  }
  if (b < lanes) {
    for (size_t k = 0; k < size; ++k) v.at[k].re *= sign, v.at[k].im *= sign;
    return;
  }
  const size_t step_b = size_t(1) << (b - lanes), step_a = a < lanes ? step_b : size_t(1) << (a - lanes);
  for (size_t outer = step_b; outer < size; outer += 2 * step_b) {
    const size_t first = a < lanes ? outer : outer + step_a;
    for (size_t middle = first; middle < outer + step_b; middle += 2 * step_a)
      for (size_t k = middle; k < middle + step_a; ++k) v.at[k].re *= sign, v.at[k].im *= sign;
  }
}

template <class R> inline void exchange(Amplitude<R> &x, Amplitude<R> &y, Mask<R> where) {
  const Amplitude<R> old = x;
  x.re = choose<R>(where, y.re, old.re), x.im = choose<R>(where, y.im, old.im);
  y.re = choose<R>(where, old.re, y.re), y.im = choose<R>(where, old.im, y.im);
}

template <class R, Layout L> void apply_cx(View<R> v, const Ready<R> &op) {
  constexpr int lanes = lane_bits<R, L>;
  const int control = op.q0, target = op.q1;
  const size_t size = size_t(1) << v.high;
  const Mask<R> index = lane_index<R>();
  if (target < lanes) {
    Mask<R> from = index ^ (Mask<R>{} + (1 << target));
    if (control < lanes) from = (((index >> control) & 1) != 0) ? from : index;
    for (size_t k = 0; k < size; ++k) {
      if (control >= lanes && !(k >> (control - lanes) & 1)) continue;
      v.at[k].re = permute<R>(v.at[k].re, from);
      v.at[k].im = permute<R>(v.at[k].im, from);
    }
    return;
  }
  const size_t step = size_t(1) << (target - lanes);
  if (control < lanes) {
    const Mask<R> where = op.active & (((index >> control) & 1) != 0);
    for (size_t base = 0; base < size; base += 2 * step)
      for (size_t k = base; k < base + step; ++k) exchange(v.at[k], v.at[k + step], where);
    return;
  }
  const size_t gate = size_t(1) << (control - lanes), low = std::min(gate, step), big = std::max(gate, step);
  bool whole = true;
  for (int lane = 0; lane < width<R>; ++lane) whole &= op.active[lane] != 0;
  for (size_t outer = 0; outer < size; outer += 2 * big)
    for (size_t middle = outer; middle < outer + big; middle += 2 * low)
      for (size_t k = middle; k < middle + low; ++k) {
        if (whole) std::swap(v.at[k | gate], v.at[k | gate | step]);
        else exchange(v.at[k | gate], v.at[k | gate | step], op.active);
      }
}

template <class R, Layout L> void apply_rzz(View<R> v, const Ready<R> &op) {
  constexpr int lanes = lane_bits<R, L>;
  const size_t size = size_t(1) << v.high;
  const Mask<R> index = lane_index<R>();
  Mask<R> odd{};
  if (op.q0 < lanes) odd ^= ((index >> op.q0) & 1) != 0;
  if (op.q1 < lanes) odd ^= ((index >> op.q1) & 1) != 0;
  const Vec<R> same = choose<R>(odd, -op.m.ai, op.m.ai), cosine = op.m.ar;
  const size_t b0 = op.q0 < lanes ? 0 : size_t(1) << (op.q0 - lanes), b1 = op.q1 < lanes ? 0 : size_t(1) << (op.q1 - lanes);
  const size_t run = std::max<size_t>(1, std::min(b0 ? b0 : size, b1 ? b1 : size));
  for (size_t base = 0; base < size; base += run) {
    const bool flip = ((base & b0) != 0) != ((base & b1) != 0);
    const Vec<R> sine = flip ? -same : same;
    for (size_t k = base; k < base + run; ++k) scale(v.at[k], cosine, sine);
  }
}

// Exchanges a lane qubit with a high one.
template <class R, Layout L> void swap_lane(View<R> v, int lane, int bit) {
  const Mask<R> index = lane_index<R>(), one = ((index >> lane) & 1) != 0, other = index ^ (Mask<R>{} + (1 << lane));
  const size_t step = size_t(1) << bit, size = size_t(1) << v.high;
  for (size_t base = 0; base < size; base += 2 * step)
    for (size_t k = base; k < base + step; ++k) {
      Amplitude<R> &x = v.at[k], &y = v.at[k + step];
      const Vec<R> xr = x.re, xi = x.im;
      x.re = choose<R>(one, permute<R>(y.re, other), xr), x.im = choose<R>(one, permute<R>(y.im, other), xi);
      y.re = choose<R>(one, y.re, permute<R>(xr, other)), y.im = choose<R>(one, y.im, permute<R>(xi, other));
    }
}

template <class R> void apply_dense_high(View<R> v, const std::vector<int> &bits, const Ready<R> &op) {
  const int k = int(bits.size()), dim = 1 << k;
  size_t offset[64];
  Amplitude<R> old[64];
  size_t mask = 0;
  for (int bit : bits) mask |= size_t(1) << bit;
  for (int row = 0; row < dim; ++row) {
    offset[row] = 0;
    for (int j = 0; j < k; ++j)
      if (row >> j & 1) offset[row] |= size_t(1) << bits[j];
  }
  const size_t size = size_t(1) << v.high, rest = (size - 1) & ~mask;
  size_t base = 0;
  do {
    for (int row = 0; row < dim; ++row) old[row] = v.at[base | offset[row]];
    for (int row = 0; row < dim; ++row) {
      Vec<R> re{}, im{};
      for (int column = 0; column < dim; ++column) {
        const Complex entry = op.dense->entries[size_t(row) * dim + column];
        if (entry == 0.0) continue;
        const Vec<R> er = all<R>(entry.real()), ei = all<R>(entry.imag());
        re += er * old[column].re - ei * old[column].im;
        im += er * old[column].im + ei * old[column].re;
      }
      Amplitude<R> &out = v.at[base | offset[row]];
      out.re = choose<R>(op.active, re, out.re);
      out.im = choose<R>(op.active, im, out.im);
    }
    base = ((base | mask) + 1) & rest;
  } while (base);
}

template <class R, Layout L> void apply_dense(View<R> v, const Ready<R> &op) {
  constexpr int lanes = lane_bits<R, L>;
  std::vector<int> qubits = op.qubits;
  std::vector<std::pair<int, int>> swaps;
  int spare = 0;
  for (int &qubit : qubits)
    if (qubit < lanes) {
      while (std::find(qubits.begin(), qubits.end(), lanes + spare) != qubits.end()) ++spare;
      swap_lane<R, L>(v, qubit, spare);
      swaps.push_back({qubit, spare});
      qubit = lanes + spare;
    }
  for (int &qubit : qubits) qubit -= lanes;
  apply_dense_high(v, qubits, op);
  for (size_t at = swaps.size(); at-- > 0;) swap_lane<R, L>(v, swaps[at].first, swaps[at].second);
}

template <class R, Layout L> void apply(View<R> v, const Ready<R> &op) {
  switch (op.code) {
    case Code::block: return apply_block<R, L>(v, op);
    case Code::cz: return apply_cz<R, L>(v, op);
    case Code::cx: return apply_cx<R, L>(v, op);
    case Code::rzz: return apply_rzz<R, L>(v, op);
    case Code::dense: return apply_dense<R, L>(v, op);
    default: return;
  }
}

}  // namespace coldplate
