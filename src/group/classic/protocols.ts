/**
 * Which protocol a generation uses, and what its members subscribe to.
 *
 * A protocol (the name of a client's assignor) must be known to every member; among those each member votes for the one it
 * lists first. The metadata belongs to the clients: only for protocol type `consumer` is the list of topics read out of
 * it, and metadata that cannot be read counts as a subscription to everything.
 */

import { assertInvariant, bytesEqual, EMPTY_BYTES } from '../../core/index.ts'
import type { GroupProtocol } from '../messages.ts'
import type { MemberRecord } from '../records.ts'
import type { ClassicGroup } from './classic-group.ts'
import { CONSUMER_PROTOCOL_TYPE } from './consumer-protocol.ts'

/** Whether some protocol of `offered` is known to every member. */
export function supportsOneOf(
  members: Iterable<Pick<MemberRecord, 'protocols'>>,
  offered: readonly GroupProtocol[],
): boolean {
  let common = offered.map(({ name }) => name)
  for (const { protocols } of members) {
    common = common.filter((name) => protocols.some((protocol) => protocol.name === name))
    if (common.length === 0) return false
  }
  return common.length > 0
}

/** The protocol with the most votes among those that everybody knows; of equals the one that the first member prefers. */
export function selectProtocol(members: readonly MemberRecord[]): string {
  const [first] = members
  assertInvariant(first !== undefined, 'an empty group selects no protocol')
  const votes = new Map<string, number>()
  for (const { name } of first.protocols)
    if (members.every(({ protocols }) => protocols.some((protocol) => protocol.name === name)))
      votes.set(name, 0)
  for (const { protocols } of members) {
    const choice = protocols.find(({ name }) => votes.has(name))
    if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
  }
  const [winner] = [...votes].sort(([, left], [, right]) => right - left)
  assertInvariant(winner !== undefined, 'the members of a group have no protocol in common')
  return winner[0]
}

export function metadataOf(member: MemberRecord, protocolName: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? EMPTY_BYTES
}

export function sameProtocols(
  left: readonly GroupProtocol[],
  right: readonly GroupProtocol[],
): boolean {
  return (
    left.length === right.length &&
    left.every((protocol, index) => {
      const other = right[index]
      return (
        other !== undefined &&
        protocol.name === other.name &&
        bytesEqual(protocol.metadata, other.metadata)
      )
    })
  )
}

/** Whether the members want `topic`, as far as can be known: OffsetDelete refuses to touch it then. */
export function isSubscribed(group: ClassicGroup, topic: string): boolean {
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE) return false
  for (const member of group.members.values()) {
    const topics = subscribedTopics(metadataOf(member, group.protocolName))
    if (topics === null || topics.includes(topic)) return true
  }
  return false
}

/**
 * The topics of a consumer's subscription (int16 version, int32 count, strings with an int16 length; later versions
 * append fields), or null when the bytes are something else.
 */
export function subscribedTopics(metadata: Uint8Array): readonly string[] | null {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  if (metadata.length < 6 || view.getInt16(0) < 0) return null
  const count = view.getInt32(2)
  const topics: string[] = []
  let position = 6
  for (let index = 0; index < count; index++) {
    if (position + 2 > metadata.length) return null
    const length = view.getInt16(position)
    position += 2
    if (length < 0 || position + length > metadata.length) return null
    topics.push(utf8.decode(metadata.subarray(position, position + length)))
    position += length
  }
  return topics
}

const utf8 = new TextDecoder()
