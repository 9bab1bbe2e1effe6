/**
 * What is wrong with the settings of a Kafka consumer, whatever its library, and with how long its handlers take. Pure.
 *
 * Settings by Kafka's own names; what is not given has librdkafka's and Java's default. Advice that needs the handlers'
 * time is given only when it is known.
 */

import type { Finding } from './finding.ts'

export interface ClientFacts {
  readonly properties: ReadonlyMap<string, string>
  /** How long one record is worked on, milliseconds; null where it is not known. */
  readonly handlerMs: number | null
}

/** Below it the group throws members out that only paused for a moment. Kafka's `group.min.session.timeout.ms`. */
const TINY_SESSION_MS = 6_000
/** Longer than this a rebalance of the whole group waits for one handler. */
const LONG_HANDLER_MS = 10_000

export function clientAdvice({ properties, handlerMs }: ClientFacts): readonly Finding[] {
  const ms = (name: string, usual: number) => {
    const value = Number(properties.get(name) ?? usual)
    return Number.isFinite(value) ? value : usual
  }
  return [
    ...autoCommit(properties, ms('auto.commit.interval.ms', 5_000), handlerMs),
    ...pollLoop(ms('max.poll.interval.ms', 300_000), handlerMs),
    ...sessions(ms('session.timeout.ms', 45_000), ms('heartbeat.interval.ms', 3_000)),
    ...firstStart(properties.get('auto.offset.reset')),
    ...assignor(properties.get('partition.assignment.strategy')),
  ]
}

function autoCommit(
  properties: ReadonlyMap<string, string>,
  intervalMs: number,
  handlerMs: number | null,
): readonly Finding[] {
  if (properties.get('enable.auto.commit') === 'false') return []
  const subject = 'enable.auto.commit'
  const fix =
    'enable.auto.commit=false, and commit each record after its work; or a runtime that commits only what was handled'
  if (handlerMs === null)
    return [
      {
        rule: 'auto-commit',
        severity: 'info',
        subject,
        problem: `offsets are committed every ${seconds(intervalMs)} whether their records were handled or not: acceptable where handlers are fast and a lost record is bearable (--handler-time tells how long yours take)`,
        fix,
      },
    ]
  if (handlerMs < intervalMs / 10) return []
  return [
    {
      rule: 'auto-commit',
      severity: 'warn',
      subject,
      problem: `offsets are committed every ${seconds(intervalMs)} while a record is worked on for ${seconds(handlerMs)}: a crash in between loses it for good`,
      fix,
    },
  ]
}

function pollLoop(maxPollMs: number, handlerMs: number | null): readonly Finding[] {
  if (handlerMs === null || handlerMs < Math.min(LONG_HANDLER_MS, maxPollMs)) return []
  const fix =
    'hand records to a bounded queue and go on polling, or work asynchronously; Shoal’s runtime does both'
  const subject = 'max.poll.interval.ms'
  if (handlerMs >= maxPollMs)
    return [
      {
        rule: 'blocked-poll-loop',
        severity: 'warn',
        subject,
        problem: `a handler of ${seconds(handlerMs)} keeps the loop from polling for longer than ${seconds(maxPollMs)}: the member is thrown out and its record is delivered again`,
        fix,
      },
    ]
  return [
    {
      rule: 'blocked-poll-loop',
      severity: 'warn',
      subject,
      problem: `a handler of ${seconds(handlerMs)} in the loop makes every rebalance of the group wait for it`,
      fix,
    },
  ]
}

function sessions(sessionMs: number, heartbeatMs: number): readonly Finding[] {
  const findings: Finding[] = []
  if (heartbeatMs * 3 > sessionMs)
    findings.push({
      rule: 'heartbeat-interval',
      severity: 'warn',
      subject: 'heartbeat.interval.ms',
      problem: `${heartbeatMs} is more than a third of session.timeout.ms (${sessionMs}): one lost heartbeat costs the membership`,
      fix: `heartbeat.interval.ms=${Math.floor(sessionMs / 3)} or less`,
    })
  if (sessionMs < TINY_SESSION_MS)
    findings.push({
      rule: 'tiny-session-timeout',
      severity: 'warn',
      subject: 'session.timeout.ms',
      problem: `${sessionMs} is tiny: a pause for garbage collection causes a rebalance`,
      fix: 'session.timeout.ms=45000; a member that is closed properly leaves at once anyway',
    })
  return findings
}

function firstStart(reset: string | undefined): readonly Finding[] {
  if (reset !== undefined && !['latest', 'largest', 'end'].includes(reset)) return []
  return [
    {
      rule: 'first-start',
      severity: 'info',
      subject: 'auto.offset.reset',
      problem: `${reset ?? 'not set, which means latest'}: what is in the topic when the group first starts is never read`,
      fix: 'auto.offset.reset=earliest, unless only new records matter',
    },
  ]
}

function assignor(strategy: string | undefined): readonly Finding[] {
  if (strategy !== undefined && /cooperative/i.test(strategy)) return []
  return [
    {
      rule: 'stop-the-world',
      severity: 'info',
      subject: 'partition.assignment.strategy',
      problem: `${strategy ?? 'not set, which stops all members'}: every member stops in a rebalance`,
      fix: 'partition.assignment.strategy=cooperative-sticky (Java: CooperativeStickyAssignor), or group.protocol=consumer',
    },
  ]
}

function seconds(ms: number): string {
  return `${Number((ms / 1_000).toFixed(1))} s`
}
