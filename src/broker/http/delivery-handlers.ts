/** Settling deliveries by their handles: see `src/http/routes-delivery.ts`. */

import type { BrokerRoutes, Handlers, Problem, ProblemCode } from '../../http/index.ts'
import { problem } from '../../http/index.ts'
import type {
  SettledRecord,
  Settlement,
  SettlementRefusal,
  SettlementResult,
} from '../delivery/delivery.ts'
import type { HttpContext } from './http-context.ts'

type DeliveryHandlers = Pick<Handlers<BrokerRoutes>, 'ack' | 'nack' | 'reject' | 'extendVisibility'>

/** What every request says: what is meant, and who asks. */
interface SettleRequest {
  readonly receipt_handle?: string | undefined
  readonly receipt_handles?: readonly string[] | undefined
  readonly member_id?: string | undefined
  readonly consumer_id?: string | undefined
}

export function deliveryHandlers({ context }: HttpContext): DeliveryHandlers {
  const { deliveries, clock } = context

  async function settle<Answer extends object>(
    request: SettleRequest,
    settlement: Settlement,
    answerOf: (record: SettledRecord) => Answer,
  ) {
    const { receipt_handle: one, receipt_handles: many = [] } = request
    const memberId = request.member_id ?? request.consumer_id ?? null
    const results = await deliveries.settle(one === undefined ? many : [one], settlement, memberId)
    const [first] = results
    if (one !== undefined && first !== undefined)
      return first.kind === 'refused' ? problemOf(first) : settledAnswer(first, answerOf)
    return {
      success: results.every(({ kind }) => kind === 'settled'),
      results: results.map((result) =>
        result.kind === 'refused' ? refusedAnswer(result) : settledAnswer(result, answerOf),
      ),
    }
  }

  return {
    ack: ({ body }) =>
      settle(body, { kind: 'acknowledge' }, (record) => ({
        acknowledged: true as const,
        committed_offset: record.committedOffset,
        offset_advanced: record.hasAdvanced,
        in_flight_count: record.inFlightCount,
      })),
    nack: ({ body }) =>
      settle(body, releaseOf(body), (record) => ({
        action: record.outcome === 'released' ? ('requeued' as const) : givenUp(record),
        requeued: record.outcome === 'released',
        delivery_count: record.deliveryCount,
        ...(record.untilMs === null ? {} : { next_visible_at: timeText(record.untilMs) }),
        ...deadLetterOf(record),
      })),
    reject: ({ body }) =>
      settle(body, { kind: 'reject', reason: body.reason }, (record) => ({
        rejected: true as const,
        action: givenUp(record),
        ...deadLetterOf(record),
        reason: body.reason,
      })),
    extendVisibility: ({ body }) =>
      settle(body, renewalOf(body), ({ untilMs }) => ({
        extended: true as const,
        new_deadline: timeText(untilMs ?? clock.wallMs()),
        extended_by: ((untilMs ?? clock.wallMs()) - clock.wallMs()) / 1_000,
      })),
  }
}

function releaseOf(body: {
  readonly delay?: number | undefined
  readonly reason?: string | undefined
}): Settlement {
  const { delay, reason } = body
  return {
    kind: 'release',
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function renewalOf(body: {
  readonly timeout?: number | undefined
  readonly extension_seconds?: number | undefined
}): Settlement {
  const { timeout, extension_seconds: seconds } = body
  const lockDurationMs = timeout ?? (seconds === undefined ? undefined : seconds * 1_000)
  return { kind: 'renew', ...(lockDurationMs === undefined ? {} : { lockDurationMs }) }
}

function settledAnswer<Answer extends object>(
  record: SettledRecord,
  answerOf: (record: SettledRecord) => Answer,
) {
  const { topic, partition, offset } = record
  return { success: true as const, ...answerOf(record), topic, partition, offset }
}

function givenUp({ deadLetterTopic }: SettledRecord) {
  return deadLetterTopic === null ? ('dropped' as const) : ('dlq' as const)
}

function deadLetterOf({ deadLetterTopic }: SettledRecord) {
  return deadLetterTopic === null ? {} : { dlq_topic: deadLetterTopic }
}

type Refused = Extract<SettlementResult, { readonly kind: 'refused' }>

function refusedAnswer({ refusal, message }: Refused) {
  return { success: false as const, code: codes[refusal], error: message }
}

function problemOf({ refusal, message }: Refused): Problem {
  return problem(codes[refusal], message)
}

const codes: Readonly<Record<SettlementRefusal, ProblemCode>> = {
  INVALID_HANDLE: 'INVALID_HANDLE',
  UNKNOWN: 'UNKNOWN_DELIVERY',
  EXPIRED: 'HANDLE_EXPIRED',
  HELD_BY_OTHER: 'HANDLE_NOT_HELD',
}

function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString()
}
