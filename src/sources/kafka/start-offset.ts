/**
 * Where the reading of a partition begins: pure.
 *
 * What the group committed counts. Where it committed nothing, the reset policy does, with one exception to `latest`: it
 * is about what was there before the group, so it holds only at the group's first start with the topic. A partition that
 * appeared later holds nothing older than the group, and is read from its beginning. Never is anything skipped silently.
 */

export interface StartFacts {
  readonly committed: number | null
  /** Log start offset and the offset after the last record that may be read. */
  readonly earliest: number
  readonly latest: number
  /** The first offset from which the log holds other records than those that were read; null: none is known. */
  readonly divergedAt?: number | null
  readonly policy: 'earliest' | 'latest' | 'none'
  /** Whether the group meets the topic for the first time, as a whole. */
  readonly isFirstStart: boolean
}

export type StartDecision =
  | { readonly kind: 'start'; readonly offset: number; readonly reason: 'committed' | 'policy' }
  /** Retention took what lies between. */
  | { readonly kind: 'skip'; readonly offset: number; readonly count: number }
  | { readonly kind: 'stop'; readonly problem: 'no-offset' | 'gone' | 'beyond-end' | 'truncated' }

export function decideStart({
  committed,
  earliest,
  latest,
  divergedAt = null,
  policy,
  isFirstStart,
}: StartFacts): StartDecision {
  if (committed !== null) {
    if (committed > latest) return { kind: 'stop', problem: 'beyond-end' }
    if (divergedAt !== null && divergedAt >= earliest && divergedAt < committed)
      return { kind: 'stop', problem: 'truncated' }
    if (committed >= earliest) return { kind: 'start', offset: committed, reason: 'committed' }
    if (policy === 'none') return { kind: 'stop', problem: 'gone' }
    return { kind: 'skip', offset: earliest, count: earliest - committed }
  }
  switch (policy) {
    case 'none':
      return { kind: 'stop', problem: 'no-offset' }
    case 'earliest':
      return { kind: 'start', offset: earliest, reason: 'policy' }
    case 'latest':
      return { kind: 'start', offset: isFirstStart ? latest : earliest, reason: 'policy' }
  }
}
