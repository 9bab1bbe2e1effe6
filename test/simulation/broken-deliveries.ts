/**
 * Builds of per-record delivery with one part broken on purpose: the checker must notice each, or its silence means nothing.
 */

import {
  acknowledgeRecords,
  acquireRecords,
  deadLettersWritten,
  NO_HOLDS,
  releaseMember,
} from '../../src/group/index.ts'
import type { DeliveryRange, ShareRecord } from '../../src/group/index.ts'

export interface DeliveryBuild {
  readonly name: string
  readonly acquire: typeof acquireRecords
  readonly acknowledge: typeof acknowledgeRecords
  readonly deadLettersWritten: typeof deadLettersWritten
  readonly releaseMember: typeof releaseMember
  /** What a restart makes of the journal. */
  readonly recover: (records: readonly ShareRecord[]) => readonly ShareRecord[]
  readonly answersBeforeFlush: boolean
  readonly takesFailedLettersForWritten: boolean
}

/** The build that is shipped. */
export const wholeDelivery: DeliveryBuild = {
  name: 'is whole',
  acquire: acquireRecords,
  acknowledge: acknowledgeRecords,
  deadLettersWritten,
  releaseMember,
  recover: (records) => records,
  answersBeforeFlush: false,
  takesFailedLettersForWritten: false,
}

export const brokenDeliveries: readonly DeliveryBuild[] = [
  { ...wholeDelivery, name: 'answers before the flush', answersBeforeFlush: true },
  {
    ...wholeDelivery,
    name: 'forgets the last acknowledgements at a restart',
    recover: (records) => {
      const last = records.findLastIndex(
        (record) => record.kind === 'share-delivery' && record.deliveries.some(isAcknowledged),
      )
      return records.map((record, index) =>
        index === last && record.kind === 'share-delivery'
          ? { ...record, deliveries: record.deliveries.filter((one) => !isAcknowledged(one)) }
          : record,
      )
    },
  },
  {
    ...wholeDelivery,
    name: 'counts deliveries anew after a restart',
    recover: withDeliveries(({ value, ...range }) =>
      value.state === 'available'
        ? { ...range, value: { ...value, deliveryCount: 0 } }
        : { ...range, value },
    ),
  },
  {
    ...wholeDelivery,
    name: 'takes a dead letter for written that was not',
    takesFailedLettersForWritten: true,
  },
  {
    ...wholeDelivery,
    name: 'gives a record to a second member while the first holds it',
    acquire: (state, request) => acquireRecords({ ...state, holds: NO_HOLDS }, request),
    acknowledge: (state, { batches, ...request }) =>
      acknowledgeRecords(state, { ...request, batches: batches.map(anyDelivery) }),
  },
  {
    ...wholeDelivery,
    name: 'takes the acknowledgement of a delivery that is over for the one that is not',
    acknowledge: (state, { batches, ...request }) => {
      const holder = state.holds.find(
        ({ firstOffset, lastOffset, value }) =>
          value.kind === 'lock' &&
          batches.some((one) => one.firstOffset >= firstOffset && one.lastOffset <= lastOffset),
      )?.value
      const memberId = holder?.kind === 'lock' ? holder.memberId : request.memberId
      return acknowledgeRecords(state, { ...request, memberId, batches: batches.map(anyDelivery) })
    },
  },
]

type Batch = Parameters<typeof acknowledgeRecords>[1]['batches'][number]

/** Without saying which delivery is meant. */
function anyDelivery({ firstOffset, lastOffset, acknowledgeTypes, durationMs }: Batch): Batch {
  const batch = { firstOffset, lastOffset, acknowledgeTypes }
  return durationMs === undefined ? batch : { ...batch, durationMs }
}

function isAcknowledged({ value }: DeliveryRange): boolean {
  return value.state === 'acknowledged'
}

function withDeliveries(
  change: (delivery: DeliveryRange) => DeliveryRange,
): DeliveryBuild['recover'] {
  return (records) =>
    records.map((record) =>
      record.kind === 'share-delivery'
        ? { ...record, deliveries: record.deliveries.map(change) }
        : record,
    )
}
