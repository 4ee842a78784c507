// Randomness by counting: each shot has streams of its own, so results depend on the seed alone, not on who
// computes what (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
#pragma once
#include <cstdint>

namespace coldplate {

inline uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

struct Stream {
  uint64_t at;
  uint64_t next() { return mix(at += 0x9e3779b97f4a7c15ULL); }
  double uniform() { return double(next() >> 11) * 0x1.0p-53; }
};

enum class Purpose : uint64_t { noise = 1, outcome = 2, readout = 3, measurement = 4 };

// The streams of one purpose of all shots of an element.
struct Streams {
  uint64_t base;
  Streams(uint64_t seed, uint64_t element, Purpose purpose)
      : base(mix(mix(seed + 0xd1b54a32d192ed03ULL * uint64_t(purpose)) + 0x8cb92ba72f3d8dd7ULL * (element + 1))) {}
  Stream shot(uint64_t index) const { return {mix(base ^ (0xda942042e4dd58b5ULL * (index + 1)))}; }
};

}  // namespace coldplate
