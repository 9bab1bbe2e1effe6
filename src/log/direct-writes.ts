/**
 * Large batches of a round are written once: straight to their place in the segment, which is synced with the journal.
 *
 *   round ─▶ segments with the most bytes ─▶ writeDirect ─▶ entries of headers ─▶ journal ─▶ sync of both ─▶ flushed
 *               └── all others ─────────────────────────────▶ entries of bytes ──┘
 *
 * What it saves is a write and a checksum of every byte; what it costs is a sync for each segment. So a segment must get
 * `directWriteBytes` in one round, and no round writes to more than `maxDirectSegments`: thousands of partitions still
 * cost one sync. What a segment does not take (a full disk, a file that is not made yet) goes through the journal.
 */

import type { DirectBatch, DirectSegment } from './journal-port.ts'
import type { PendingBatch } from './journal-round.ts'

export interface DirectWriteLimits {
  /** Bytes that a segment must get in one round. */
  readonly directWriteBytes: number
  /** Most segments that a round writes to. */
  readonly maxDirectSegments: number
}

/** What of a round goes to one segment; the batches follow each other in its file. */
interface Share {
  readonly segment: DirectSegment
  readonly batches: (PendingBatch & { readonly direct: DirectBatch })[]
  byteLength: number
}

export interface DirectWritten {
  /** The segments that have to be synced before the round is flushed. */
  readonly segments: readonly DirectSegment[]
  readonly byteLength: number
}

/** Writes what is worth it and marks those batches as being in their file. Rejects when the disk is in doubt. */
export async function writeDirectly(
  batches: Iterable<PendingBatch & { readonly direct: DirectBatch }>,
  { directWriteBytes, maxDirectSegments }: DirectWriteLimits,
): Promise<DirectWritten> {
  const large = [...sharesOf(batches)]
    .filter(({ byteLength }) => byteLength >= directWriteBytes)
    .sort((left, right) => right.byteLength - left.byteLength)
    .slice(0, maxDirectSegments)
  for (const { segment } of large) if (!segment.takesDirect) segment.wantDirect()
  const written = await Promise.all(large.map(writeShare))
  const taken = large.filter((_, index) => written[index])
  return {
    segments: taken.map(({ segment }) => segment),
    byteLength: taken.reduce((sum, { byteLength }) => sum + byteLength, 0),
  }
}

function sharesOf(
  batches: Iterable<PendingBatch & { readonly direct: DirectBatch }>,
): Iterable<Share> {
  const shares = new Map<DirectSegment, Share>()
  for (const batch of batches) {
    const { segment } = batch.direct
    const share = shares.get(segment) ?? { segment, batches: [], byteLength: 0 }
    shares.set(segment, share)
    share.batches.push(batch)
    share.byteLength += batch.length
  }
  return shares.values()
}

async function writeShare({ segment, batches }: Share): Promise<boolean> {
  const [first] = batches
  if (first === undefined || !segment.takesDirect) return false
  const chunks = batches.flatMap((batch) => batch.chunks)
  if (!(await segment.writeDirect(first.at.position, chunks))) return false
  for (const { direct } of batches) direct.isInFile = true
  return true
}
