/** What records of classic and of KIP-848 groups have in common, as JSON. */

import type { Fields } from './json-fields.ts'
import type { RebalanceCause, RebalanceEntry, RebalanceStart, Stamp } from './record-parts.ts'

const CAUSES: readonly RebalanceCause[] = [
  'member_joined',
  'member_left',
  'session_timeout',
  'rebalance_timeout',
  'topic_changed',
  'member_updated',
]

export function stampFromJson(fields: Fields): Stamp {
  return { wallMs: fields.integer('wallMs'), observedMs: fields.integer('observedMs') }
}

export function startFromJson(fields: Fields | null): RebalanceStart | null {
  return fields === null ? null : rebalanceFromJson(fields)
}

export function rebalanceFromJson(fields: Fields): RebalanceStart {
  const cause = CAUSES.find((known) => known === fields.text('cause'))
  return {
    cause: cause ?? fields.fail('cause', 'a known cause'),
    memberId: fields.text('memberId'),
    startedMs: fields.integer('startedMs'),
  }
}

export function entryFromJson(fields: Fields): RebalanceEntry {
  return {
    ...rebalanceFromJson(fields),
    durationMs: fields.integer('durationMs'),
    generation: fields.count('generation'),
  }
}

interface Protocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export function protocolsToJson(protocols: readonly Protocol[]): object {
  return protocols.map(({ name, metadata }) => [name, base64(metadata)])
}

export function protocolsFromJson(fields: Fields): readonly Protocol[] {
  return fields.rows('protocols').map((row) => ({ name: row.text(0), metadata: row.bytes(1) }))
}

/** A topic and its partitions as a row. */
export function partitionsFromJson(row: Fields): readonly number[] {
  return row.fields(1).all((index, partitions) => partitions.count(index))
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
