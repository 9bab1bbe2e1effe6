/**
 * What share groups add to the simulated world: members with subscriptions of their own, more of them than a topic has
 * partitions, settings that change while they are in, and requests of other types that find the group by its name.
 */

import { randomBelow } from '../../src/core/index.ts'
import { beatRequest } from '../../src/group/consumer/fixture.test.ts'
import { commitRequest, heartbeatRequest, joinRequest } from '../../src/group/fixture.test.ts'
import type { ShareGroupConfig } from '../../src/group/index.ts'
import type { Asked } from './coordinator-checker.ts'
import type { Client } from './coordinator-client.ts'
import type { Network } from './coordinator-process.ts'
import { shareBeat, ShareMember } from './coordinator-share-member.ts'
import { pairsOf } from './coordinator-share-oracle.ts'
import { SESSION_TIMEOUT_MS } from './coordinator-worker.ts'

export const SHARE_GROUP = 'share'

/** `b` has two partitions, and topics come and go: see `coordinator-world.ts`. */
const SUBSCRIPTIONS = [['a'], ['b'], ['a', 'b'], ['b', 'd'], ['a', 'c', 'd']] as const

export class ShareWorld {
  readonly members: readonly ShareMember[]
  config: ShareGroupConfig = { sessionTimeoutMs: SESSION_TIMEOUT_MS, heartbeatIntervalMs: 1_500 }
  readonly #network: Network
  /** Members of groups of other types. */
  readonly #others: readonly Client[]

  constructor(network: Network, others: readonly Client[]) {
    this.#network = network
    this.#others = others
    this.members = Array.from({ length: 2 + this.#below(4) }, (_, index) => {
      const options = { network, name: `share-${index}`, groupId: SHARE_GROUP }
      return new ShareMember(options, this.#oneOf(SUBSCRIPTIONS))
    })
  }

  act(): void {
    const { checker } = this.#network
    switch (this.#below(3)) {
      case 0:
        checker.count('share subscription')
        return this.#oneOf(this.members).subscribe(this.#oneOf(SUBSCRIPTIONS))
      case 1: {
        checker.count('share config')
        const sessionTimeoutMs = SESSION_TIMEOUT_MS + this.#below(2) * 3_000
        this.config = { ...this.config, sessionTimeoutMs }
        return
      }
      default:
        return this.#mistake()
    }
  }

  /** Somebody takes a group for one of another type. Only groups that are there: a name belongs to who comes first. */
  #mistake(): void {
    const isOfShare = this.#below(2) === 0
    const found = this.#oneOf<Client>(isOfShare ? this.#others : this.members)
    if (!found.past.some(({ epoch }) => epoch > 0)) return
    const request = this.#oneOf(isOfShare ? ofShare(found) : ofOthers(found))
    this.#network.shell.ask(request, () => {})
  }

  /** What is not as it should be in the end; null when everything is. */
  unsettled(): string | null {
    const { checker, shell } = this.#network
    const group = shell.coordinator.describeShare(SHARE_GROUP)
    const living = this.members.filter(({ process }) => process.isUp)
    const there = group.members.map(({ memberId }) => memberId)
    const known = living.map(({ memberId }) => memberId)
    if (there.toSorted().join() !== known.toSorted().join())
      return `${SHARE_GROUP} has ${there.join()}, not ${known.join()}`
    for (const { memberId, memberEpoch, assignment } of group.members) {
      const member = living.find((one) => one.memberId === memberId)
      const told = pairsOf(member?.assigned ?? [])
        .toSorted()
        .join()
      const has = pairsOf(assignment.topicPartitions).toSorted().join()
      if (memberEpoch !== group.groupEpoch) return `${memberId} is at ${memberEpoch}`
      if (member?.epoch !== memberEpoch || told !== has)
        return `${memberId} was told ${told} at ${member?.epoch}, and has ${has} at ${memberEpoch}`
    }
    return checker.share.problemOfTargets({
      members: new Map(living.map((member) => [member.memberId, member])),
      targets: new Map(living.map(({ memberId, assigned }) => [memberId, pairsOf(assigned)])),
    })
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    const item = items[this.#below(items.length)]
    if (item === undefined) throw new Error('there is one')
    return item
  }

  #below(bound: number): number {
    return randomBelow(this.#network.random, bound)
  }
}

/** What members of other types would ask of a share group. */
function ofOthers({ groupId, memberId, epoch }: Client): readonly Asked[] {
  return [
    beatRequest({
      groupId,
      memberId,
      memberEpoch: 0,
      rebalanceTimeoutMs: 8_000,
      subscribedTopicNames: ['a'],
      topicPartitions: [],
    }),
    beatRequest({ groupId, memberId, memberEpoch: epoch }),
    joinRequest({ groupId }),
    heartbeatRequest({ groupId, memberId, generationId: epoch }),
    commitRequest({ groupId, memberId, generationIdOrMemberEpoch: epoch, topic: 'a' }),
    commitRequest({ groupId, topic: 'a' }),
    { kind: 'pause', replyTo: 0, groupId, reason: '', untilMs: null },
  ]
}

/** What members of share groups would ask of a group of another type. */
function ofShare(found: Client): readonly Asked[] {
  const { groupId } = found
  const memberEpoch = Math.max(1, found.epoch)
  // A classic member that is not in yet has no id.
  const memberId = found.memberId === '' ? 'stranger' : found.memberId
  return [
    shareBeat({ groupId, memberId, subscribedTopicNames: ['a'] }),
    shareBeat({ groupId, memberId, memberEpoch }),
    shareBeat({ groupId, memberId, memberEpoch: -1 }),
  ]
}
