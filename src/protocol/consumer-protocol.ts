/**
 * The bytes that classic consumers exchange through their group: what a member wants and owns, and what it was given.
 *
 *   ConsumerProtocolSubscription v0-3 · v1 owned partitions · v2 generation · v3 rack
 *   ConsumerProtocolAssignment v0-3
 *
 * They travel opaque inside JoinGroup (metadata) and SyncGroup (assignment), with their version in front, and are never
 * compact. A newer version is read as v3: fields are only ever added at the end. Bytes after the last field are ignored.
 */

import { concatBytes, ShoalError } from '../core/index.ts'
import type { RequestInput, RequestOf, ResponseInput, ResponseOf } from './schema.ts'
import { api, array, bytes, int32, nullable, string } from './schema.ts'

const NEWEST_VERSION = 3
const VERSION_BYTES = 2

/** Not an API: the subscription stands in the place of its request, the assignment in that of its response. */
const consumerProtocol = api({
  key: -1,
  name: 'ConsumerProtocol',
  versions: [0, NEWEST_VERSION],
  flexibleSince: null,
  request: {
    topics: array(string()),
    userData: nullable(bytes()),
    ownedPartitions: array({ topic: string(), partitions: array(int32()) }).since(1, []),
    generationId: int32().since(2, -1),
    rackId: nullable(string()).since(3, null),
  },
  response: {
    assignedPartitions: array({ topic: string(), partitions: array(int32()) }),
    userData: nullable(bytes()),
  },
})

export type ConsumerSubscription = RequestOf<typeof consumerProtocol>
export type ConsumerAssignment = ResponseOf<typeof consumerProtocol>

/** @throws ShoalError SHOAL_PROTOCOL_DECODE */
export function decodeSubscription(
  metadata: Uint8Array,
): ConsumerSubscription & { readonly version: number } {
  const version = versionOf(metadata)
  const subscription = consumerProtocol.decodeRequest(
    Math.min(version, NEWEST_VERSION),
    metadata.subarray(VERSION_BYTES),
  )
  return { version, ...subscription }
}

export function encodeSubscription(
  subscription: RequestInput<typeof consumerProtocol>,
  version: number = NEWEST_VERSION,
): Uint8Array {
  return concatBytes([
    versionBytes(version),
    ...consumerProtocol.encodeRequest(version, subscription),
  ])
}

/**
 * Zero bytes, what a member gets that the leader left out, mean: nothing assigned.
 * @throws ShoalError SHOAL_PROTOCOL_DECODE
 */
export function decodeAssignment(
  assignment: Uint8Array,
): ConsumerAssignment & { readonly version: number } {
  if (assignment.length === 0) return { version: 0, assignedPartitions: [], userData: null }
  const version = versionOf(assignment)
  const decoded = consumerProtocol.decodeResponse(
    Math.min(version, NEWEST_VERSION),
    assignment.subarray(VERSION_BYTES),
  )
  return { version, ...decoded }
}

export function encodeAssignment(
  assignment: ResponseInput<typeof consumerProtocol>,
  version: number = NEWEST_VERSION,
): Uint8Array {
  return concatBytes([
    versionBytes(version),
    ...consumerProtocol.encodeResponse(version, assignment),
  ])
}

function versionOf(bytes: Uint8Array): number {
  const version =
    bytes.length < VERSION_BYTES ? -1 : ((bytes[0] as number) << 8) | (bytes[1] as number)
  if (version >= 0 && version <= 0x7fff) return version
  throw new ShoalError(
    'SHOAL_PROTOCOL_DECODE',
    'ConsumerProtocol: the version is missing or negative',
  )
}

function versionBytes(version: number): Uint8Array {
  return Uint8Array.of(version >> 8, version)
}
