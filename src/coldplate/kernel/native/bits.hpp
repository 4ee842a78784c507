// Bits of shots: from a component's words to bytes as BitArray packs them, and sums of parities over them.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace coldplate {

// Sets bits of packed rows: bit `from` of a shot's words goes to place `to` (byte * 8 + bit) of its row.
struct Move {
  int from, to;
};

inline void place_bits(const uint64_t *words, size_t shots, size_t num_words, const std::vector<Move> &moves, uint8_t *rows, size_t row_bytes) {
  // a byte of a word at a time, by table, unless the bits are few
  for (size_t word = 0; word < num_words; ++word)
    for (int byte = 0; byte < 8; ++byte) {
      std::vector<std::pair<int, int>> own;
      for (const Move &move : moves)
        if (move.from / 64 == int(word) && (move.from & 63) / 8 == byte) own.push_back({move.from & 7, move.to});
      while (!own.empty()) {  // one pass for each byte that is written to
        const int target = own[0].second / 8;
        uint8_t table[256] = {};
        std::vector<std::pair<int, int>> rest;
        for (const auto &[bit, to] : own) {
          if (to / 8 != target) {
            rest.push_back({bit, to});
            continue;
          }
          for (int value = 0; value < 256; ++value)
            if (value >> bit & 1) table[value] |= uint8_t(1) << (to & 7);
        }
        for (size_t shot = 0; shot < shots; ++shot)
          rows[shot * row_bytes + target] |= table[words[shot * num_words + word] >> (8 * byte) & 255];
        own.swap(rest);
      }
    }
}

// For every element and mask: how many shots have an odd number of ones under the mask.
inline void count_odd(const uint64_t *words, size_t elements, size_t shots, size_t num_words, const uint64_t *masks, size_t num_masks, int64_t *out) {
  for (size_t element = 0; element < elements; ++element)
    for (size_t mask = 0; mask < num_masks; ++mask) {
      const uint64_t *row = words + element * shots * num_words, *under = masks + mask * num_words;
      int64_t odd = 0;
      if (num_words == 1)
        for (size_t shot = 0; shot < shots; ++shot) odd += std::popcount(row[shot] & under[0]) & 1;
      else
        for (size_t shot = 0; shot < shots; ++shot) {
          uint64_t folded = 0;
          for (size_t word = 0; word < num_words; ++word) folded ^= row[shot * num_words + word] & under[word];
          odd += std::popcount(folded) & 1;
        }
      out[element * num_masks + mask] = odd;
    }
}

}  // namespace coldplate
