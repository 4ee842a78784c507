// Vectors of lanes, and angles turned into sines and cosines in the same way on every machine.
//
// A vector is 64 bytes whatever the processor: wider machines need fewer instructions for it, and the arithmetic
// of each lane is the same everywhere (no fused multiply-add, no library function that depends on the processor).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstddef>

namespace coldplate {

template <class R> struct Simd {
  typedef R V __attribute__((vector_size(64)));
  static constexpr int width = 64 / sizeof(R);
};
template <> struct Simd<float> {
  typedef float V __attribute__((vector_size(64)));
  typedef int32_t I __attribute__((vector_size(64)));
  static constexpr int width = 16, log_width = 4;
};
template <> struct Simd<double> {
  typedef double V __attribute__((vector_size(64)));
  typedef int64_t I __attribute__((vector_size(64)));
  static constexpr int width = 8, log_width = 3;
};

template <class R> using Vec = typename Simd<R>::V;
template <class R> using Mask = typename Simd<R>::I;
template <class R> constexpr int width = Simd<R>::width;
template <class R> constexpr int log_width = Simd<R>::log_width;

template <class R> inline Vec<R> all(double value) { return R(value) - Vec<R>{}; }

// One amplitude of every lane.
template <class R> struct alignas(64) Amplitude {
  Vec<R> re, im;
};

// Sine and cosine of an angle (Cody and Waite's reduction, then polynomials on [-pi/4, pi/4]).
inline void sine_cosine(double angle, double &sine, double &cosine) {
  if (!(std::fabs(angle) < 1e5)) angle = std::fmod(angle, 6.283185307179586476925);  // exact, and rare
  if (angle != angle) {  // which no integer is near to
    sine = cosine = angle;
    return;
  }
  const double magic = 6755399441055744.0;  // 1.5 * 2**52 rounds to an integer
  const double shifted = angle * 0.63661977236758134308 + magic;
  const double turns = shifted - magic;
  double rest = angle - turns * 1.57079625129699707031;  // pi/2 in three parts, the first two short
  rest = rest - turns * 7.54978941586159635335e-8;
  rest = rest - turns * 5.39030285815811843e-15;
  const double square = rest * rest;
  double s = 1.58962301576546568060e-10;
  s = s * square - 2.50507477628578072866e-8;
  s = s * square + 2.75573136213857245213e-6;
  s = s * square - 1.98412698295895385996e-4;
  s = s * square + 8.33333333332211858878e-3;
  s = s * square - 1.66666666666666307295e-1;
  s = rest + rest * square * s;
  double c = -1.13585365213876817300e-11;
  c = c * square + 2.08757008419747316778e-9;
  c = c * square - 2.75573141792967388112e-7;
  c = c * square + 2.48015872888517045348e-5;
  c = c * square - 1.38888888888730564116e-3;
  c = c * square + 4.16666666666665929218e-2;
  c = 1.0 - 0.5 * square + square * square * c;
  const int64_t quarter = int64_t(turns);
  const double first = (quarter & 1) ? c : s, second = (quarter & 1) ? s : c;
  sine = (quarter & 2) ? -first : first;
  cosine = ((quarter + 1) & 2) ? -second : second;
}

}  // namespace coldplate
