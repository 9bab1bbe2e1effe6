/** Records as the source suite makes them, and what it compares of them. */

import type { OutgoingRecord } from '../../src/consumer/index.ts'
import { waitUntil } from './recording-member.ts'
import type { RecordingMember } from './recording-member.ts'

/** `v0` `v1` …, with three keys in turn. */
export function numbered(topic: string, partition: number, count: number): OutgoingRecord[] {
  return range(count).map((index) => ({
    topic,
    partition,
    key: text(`k${index % 3}`),
    value: text(`v${index}`),
    headers: [],
  }))
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

export function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

export function words(bytes: Uint8Array | null | undefined): string {
  return new TextDecoder().decode(bytes ?? undefined)
}

export function plain(bytes: Uint8Array | null): number[] | null {
  return bytes === null ? null : [...bytes]
}

/** Waits for what two members see together. */
export function both(first: RecordingMember, second: RecordingMember) {
  return {
    until: (what: string, holds: () => boolean) =>
      waitUntil(what, holds, (wake) => {
        first.onNextEvent(wake)
        second.onNextEvent(wake)
      }),
  }
}
