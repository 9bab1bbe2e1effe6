/** What records of classic and of KIP-848 groups have in common, as JSON. */

import type { Fields } from './json-fields.ts'
import type {
  BeforeRebalance,
  NamedPartitions,
  PartitionMove,
  Pause,
  RebalanceCause,
  RebalanceEntry,
  RebalanceStart,
  Stamp,
} from './record-parts.ts'

const CAUSES: readonly RebalanceCause[] = [
  'member_joined',
  'member_left',
  'session_timeout',
  'rebalance_timeout',
  'topic_changed',
  'subscription_changed',
  'assignor_changed',
  'partitions_released',
  'member_rejoined',
  'member_updated',
  'migrated',
  'coordinator_restarted',
  'paused',
  'resumed',
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
    clientId: fields.text('clientId'),
    groupInstanceId: fields.textOrNull('groupInstanceId'),
    detail: fields.text('detail'),
    startedMs: fields.integer('startedMs'),
  }
}

/** Moves as rows: topic, partition, from, to. */
export function entryToJson(entry: RebalanceEntry): object {
  const moved = entry.moved.map(({ topic, partition, from, to }) => [topic, partition, from, to])
  return { ...entry, moved }
}

export function entryFromJson(fields: Fields): RebalanceEntry {
  return {
    ...rebalanceFromJson(fields),
    durationMs: fields.integer('durationMs'),
    generationFrom: fields.count('generationFrom'),
    generation: fields.count('generation'),
    memberCountBefore: fields.count('memberCountBefore'),
    memberCount: fields.count('memberCount'),
    assigned: fields.count('assigned'),
    revoked: fields.count('revoked'),
    lost: fields.count('lost'),
    movedCount: fields.count('movedCount'),
    moved: fields.rows('moved').map(moveFromJson),
    clientIds: fields.rows('clientIds').map((row) => [row.text(0), row.text(1)] as const),
  }
}

/** Owners as rows: member id, client id, topics with their partitions. */
export function beforeToJson(before: BeforeRebalance | null): object | null {
  if (before === null) return null
  const owners = before.owners.map(({ memberId, clientId, partitions }) => [
    memberId,
    clientId,
    partitions.map((topic) => [topic.topic, topic.partitions]),
  ])
  return { generation: before.generation, owners }
}

export function beforeFromJson(fields: Fields | null): BeforeRebalance | null {
  if (fields === null) return null
  return {
    generation: fields.count('generation'),
    owners: fields.rows('owners').map((row) => ({
      memberId: row.text(0),
      clientId: row.text(1),
      partitions: row.rows(2).map(namedFromJson),
    })),
  }
}

function namedFromJson(row: Fields): NamedPartitions {
  return {
    topic: row.text(0),
    partitions: row.fields(1).all((index, list) => list.integer(index)),
  }
}

function moveFromJson(row: Fields): PartitionMove {
  return {
    topic: row.text(0),
    partition: row.integer(1),
    from: row.textOrNull(2),
    to: row.textOrNull(3),
  }
}

export function pauseFromJson(fields: Fields | null): Pause | null {
  return fields && wholePauseFromJson(fields)
}

export function wholePauseFromJson(fields: Fields): Pause {
  return {
    sinceMs: fields.integer('sinceMs'),
    untilMs: fields.integerOrNull('untilMs'),
    reason: fields.text('reason'),
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
