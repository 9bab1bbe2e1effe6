/**
 * The options that limit how much starts: concurrency, rates, topics that are not alike, circuit breakers.
 */

import type { AdaptivePolicy } from './dispatch/adaptive-limit.ts'
import type { RatePolicy } from './dispatch/token-bucket.ts'
import type { TopicPolicy } from './dispatch/topic-queues.ts'
import type { BreakerPolicy } from './failure/breaker.ts'
import { isErrorClass, matchesAny } from './failure/error-classes.ts'
import type { OptionCheck } from './option-check.ts'
import type { BreakerOptions, Concurrency, Rate, TopicLimits } from './options.ts'

export interface ResolvedLimits {
  /** Most handlers that ever run at once. */
  readonly concurrency: number
  readonly adaptive: AdaptivePolicy | null
  readonly rate: RatePolicy | null
  readonly topics: ReadonlyMap<string, TopicPolicy>
  readonly breakers: readonly BreakerPolicy[]
}

interface LimitOptions {
  readonly concurrency?: Concurrency
  readonly rate?: Rate
  readonly topics?: Readonly<Record<string, TopicLimits>>
  readonly breaker?: BreakerOptions | readonly BreakerOptions[] | false
}

const DEFAULT_CONCURRENCY = 100

/** @param isRetriable errors that no attempt will mend say nothing about an outage. */
export function resolveLimits(
  check: OptionCheck,
  { concurrency, rate, topics = {}, breaker = false }: LimitOptions,
  isRetriable: (error: unknown) => boolean,
): ResolvedLimits {
  const adaptive = typeof concurrency === 'object' ? adaptiveOf(check, concurrency) : null
  const most =
    adaptive?.max ??
    check.count('concurrency', concurrency as number | undefined, DEFAULT_CONCURRENCY)
  const policies = new Map(
    Object.entries(topics).map(([topic, limits]) => [topic, topicOf(check, topic, limits)]),
  )
  let reserved = 0
  for (const { reservedSlots } of policies.values()) reserved += reservedSlots
  check.that(
    reserved < (adaptive?.min ?? most) || reserved === 0,
    'topics: reservedSlots must leave some of the concurrency to the other topics',
  )
  const breakers = breaker === false ? [] : Array.isArray(breaker) ? breaker : [breaker]
  return {
    concurrency: most,
    adaptive,
    rate: rate === undefined ? null : rateOf(check, 'rate', rate),
    topics: policies,
    breakers: breakers.map((each: BreakerOptions) => breakerOf(check, each, isRetriable)),
  }
}

function adaptiveOf(
  check: OptionCheck,
  { start, min, max, target }: Exclude<Concurrency, number>,
): AdaptivePolicy {
  const least = check.count('concurrency.min', min, 1)
  const most = check.count('concurrency.max', max, DEFAULT_CONCURRENCY)
  const first = check.count('concurrency.start', start, Math.min(most, Math.max(least, 10)))
  check.that(least <= first && first <= most, 'concurrency: start must lie between min and max')
  const targetMs = target === undefined ? null : check.duration('concurrency.target', target, 0)
  return { min: least, max: most, start: first, targetMs }
}

function rateOf(check: OptionCheck, name: string, rate: Rate): RatePolicy {
  const records = check.count(`${name}.records`, rate.records, 1)
  const perMs = check.duration(`${name}.per`, rate.per, 1_000)
  check.that(perMs > 0, `${name}.per: longer than nothing`)
  return { records, perMs, burst: check.count(`${name}.burst`, rate.burst, records) }
}

function topicOf(check: OptionCheck, topic: string, limits: TopicLimits): TopicPolicy {
  const { priority = 0, reservedSlots = 0, rate } = limits
  check.that(Number.isSafeInteger(priority), `topics.${topic}.priority: a whole number`)
  check.that(
    Number.isSafeInteger(reservedSlots) && reservedSlots >= 0,
    `topics.${topic}.reservedSlots: a whole number`,
  )
  return {
    priority,
    reservedSlots,
    rate: rate === undefined ? null : rateOf(check, `topics.${topic}.rate`, rate),
  }
}

function breakerOf(
  check: OptionCheck,
  { name = 'downstream', failureRate, window, open, probes, errors }: BreakerOptions,
  isRetriable: (error: unknown) => boolean,
): BreakerPolicy {
  check.that(
    errors === undefined || (Array.isArray(errors) && errors.every(isErrorClass)),
    'breaker.errors: a list of error classes, predicates, or codes',
  )
  return {
    name,
    failureRate: check.share('breaker.failureRate', failureRate, 0.5),
    window: check.count('breaker.window', window, 20),
    openMs: check.duration('breaker.open', open, 10_000),
    probes: check.count('breaker.probes', probes, 1),
    counts: errors === undefined ? isRetriable : (error) => matchesAny(errors, error),
  }
}
