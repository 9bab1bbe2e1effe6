/**
 * Numbers as bits: Rice coding, most significant bit first.
 *
 *   value = quotient · 2^k + rest      written as `quotient` ones, a zero, and k bits of rest
 *
 * With k = 0 it is a bitmap (one bit for each place between two marks), so dense sets need no second form.
 * Pure. A reader never reads beyond its bytes: it answers -1 there.
 */

export class BitWriter {
  readonly #bytes: Uint8Array
  #length = 0

  constructor(maxBytes: number) {
    this.#bytes = new Uint8Array(maxBytes)
  }

  /** False, and nothing written, when it does not fit. */
  rice(value: number, k: number): boolean {
    const quotient = Math.floor(value / 2 ** k)
    const bits = quotient + 1 + k
    if (this.#length + bits > this.#bytes.length * 8) return false
    for (let left = quotient; left > 0; left--) this.#push(1)
    this.#push(0)
    const rest = value - quotient * 2 ** k
    for (let bit = k - 1; bit >= 0; bit--) this.#push(Math.floor(rest / 2 ** bit) & 1)
    return true
  }

  /** What was written, the last byte filled with zeros. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, Math.ceil(this.#length / 8))
  }

  #push(bit: number): void {
    const index = this.#length >>> 3
    this.#bytes[index] = (this.#bytes[index] ?? 0) | (bit << (7 - (this.#length & 7)))
    this.#length++
  }
}

export class BitReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** -1 at the end of the bytes. */
  rice(k: number): number {
    let quotient = 0
    for (let bit = this.#next(); bit !== 0; bit = this.#next()) {
      if (bit < 0) return -1
      quotient++
    }
    let rest = 0
    for (let left = k; left > 0; left--) {
      const bit = this.#next()
      if (bit < 0) return -1
      rest = rest * 2 + bit
    }
    return quotient * 2 ** k + rest
  }

  #next(): number {
    const byte = this.#bytes[this.#position >>> 3]
    if (byte === undefined) return -1
    return (byte >>> (7 - (this.#position++ & 7))) & 1
  }
}

/** The k for which numbers of this mean take the fewest bits, about. */
export function riceParameter(mean: number): number {
  return Math.max(0, Math.min(40, Math.floor(Math.log2(Math.max(1, mean * 0.69)))))
}
