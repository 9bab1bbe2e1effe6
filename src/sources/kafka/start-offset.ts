/**
 * Where the reading of a partition begins: pure.
 *
 * What the group committed counts. Where it committed nothing, the reset policy does, with one exception to `latest`: it
 * is about what was there before the group, so it holds only at the group's first start with the topic. A partition that
 * appeared later holds nothing older than the group, and is read from its beginning; so is one of a topic that was deleted
 * and made anew, whatever was committed under its name. Never is anything skipped silently.
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
  /** Whether the topic was deleted and made anew since the group read it. */
  readonly isRemade?: boolean
}

/** Why the user has to decide. */
export type StartProblem = 'no-offset' | 'gone' | 'remade' | 'beyond-end' | 'truncated'

export type StartDecision =
  | {
      readonly kind: 'start'
      readonly offset: number
      readonly reason: 'committed' | 'policy' | 'remade'
      /** Records that were there before the group, and are not read: under `latest` alone. */
      readonly leftOut?: number
    }
  /** Retention took what lies between. */
  | { readonly kind: 'skip'; readonly offset: number; readonly count: number }
  | { readonly kind: 'stop'; readonly problem: StartProblem }

export function decideStart({
  committed,
  earliest,
  latest,
  divergedAt = null,
  policy,
  isFirstStart,
  isRemade = false,
}: StartFacts): StartDecision {
  if (isRemade)
    return policy === 'none'
      ? { kind: 'stop', problem: 'remade' }
      : { kind: 'start', offset: earliest, reason: 'remade' }
  if (committed !== null) {
    if (divergedAt !== null && divergedAt >= earliest && divergedAt < committed)
      return { kind: 'stop', problem: 'truncated' }
    if (committed > latest) return { kind: 'stop', problem: 'beyond-end' }
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
      return isFirstStart && latest > earliest
        ? { kind: 'start', offset: latest, reason: 'policy', leftOut: latest - earliest }
        : { kind: 'start', offset: earliest, reason: 'policy' }
  }
}
