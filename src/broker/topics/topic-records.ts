/**
 * What the journal keeps of topics and of the cluster: the records of the machine `topics`, as JSON.
 *
 * Configs are pairs, not objects: any text is a legal key of a pair.
 */

import { ShoalError } from '../../core/index.ts'

export type ConfigPairs = readonly (readonly [name: string, value: string])[]

export type TopicRecord =
  /** Once, at a folder's first start. */
  | { readonly kind: 'cluster-named'; readonly clusterId: string }
  | {
      readonly kind: 'topic-created'
      readonly topicId: string
      readonly name: string
      readonly partitionCount: number
      readonly configs: ConfigPairs
    }
  | { readonly kind: 'topic-deleted'; readonly topicId: string }
  | {
      readonly kind: 'partitions-added'
      readonly topicId: string
      /** How many there are from now on. */
      readonly partitionCount: number
    }
  /** All of the topic's own configs from now on. */
  | { readonly kind: 'topic-configured'; readonly topicId: string; readonly configs: ConfigPairs }
  /** All of the broker's dynamic settings from now on. */
  | { readonly kind: 'broker-configured'; readonly configs: ConfigPairs }
  /** All of the group's own configs from now on. */
  | { readonly kind: 'group-configured'; readonly groupId: string; readonly configs: ConfigPairs }

const kinds: ReadonlySet<string> = new Set<TopicRecord['kind']>([
  'cluster-named',
  'topic-created',
  'topic-deleted',
  'partitions-added',
  'topic-configured',
  'broker-configured',
  'group-configured',
])

export function encodeTopicRecord(record: TopicRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record))
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT for what this version did not write. */
export function decodeTopicRecord(bytes: Uint8Array): TopicRecord {
  try {
    const record: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof record === 'object' && record !== null && 'kind' in record)
      if (typeof record.kind === 'string' && kinds.has(record.kind)) return record as TopicRecord
  } catch (cause) {
    throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'a topic record is not JSON', { cause })
  }
  throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'a topic record is of an unknown kind')
}
