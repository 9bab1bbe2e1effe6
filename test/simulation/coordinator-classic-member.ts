/**
 * A member that speaks the classic protocol as the Java client does: eager with `range`, or cooperative. It leads when it is
 * told to, watches the topics then, and in a KIP-848 group does without being asked what that wants of it.
 */

import {
  heartbeatRequest,
  joinRequest,
  leaveRequest,
  syncRequest,
} from '../../src/group/fixture.test.ts'
import { assignors } from '../../src/group/index.ts'
import type { GroupError, GroupResponse, JoinResponse } from '../../src/group/index.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../src/protocol/index.ts'
import { keysOf } from './coordinator-client.ts'
import {
  HEARTBEAT_MS,
  LOST,
  type MemberOptions,
  REBALANCE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  SESSION_TIMEOUT_MS,
  Worker,
} from './coordinator-worker.ts'

/** A join or a sync waits for others. */
const ROUND_TIMEOUT_MS = REBALANCE_TIMEOUT_MS + 5_000

export class ClassicMember extends Worker {
  protected readonly isKeptAway: boolean
  readonly #isEager: boolean
  /** The generation of what it owns. */
  #ownedGeneration = -1
  /** What there was to share out when it last led; null when another leads. */
  #shared: string | null = null

  constructor(options: MemberOptions, { isEager }: { readonly isEager: boolean }) {
    super(options)
    this.#isEager = isEager
    this.isKeptAway = options.isStatic
  }

  protected begin(): void {
    this.memberId = ''
    this.epoch = -1
    this.#ownedGeneration = -1
    this.#join()
  }

  /** A static member comes back: it does not leave. */
  protected sayGoodbye(): void {
    if (this.instanceId !== null || this.memberId === '') return
    const request = { ...leaveRequest({ memberId: this.memberId }), groupId: this.groupId }
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  #join(): void {
    if (this.#isEager && this.owned.length > 0) this.own([])
    const metadata = encodeSubscription({
      topics: [...this.topics],
      userData: null,
      ownedPartitions: this.owned.map(({ topic, partitions }) => ({
        topic,
        partitions: [...partitions],
      })),
      generationId: this.#ownedGeneration,
      rackId: null,
    })
    const request = joinRequest({
      groupId: this.groupId,
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      protocols: [{ name: this.#protocol, metadata }],
    })
    this.process.send(request, ROUND_TIMEOUT_MS, (response) => {
      if (response?.kind === 'join') this.#hearJoin(response)
      else this.#again()
    })
  }

  get #protocol(): 'range' | 'cooperative-sticky' {
    return this.#isEager ? 'range' : 'cooperative-sticky'
  }

  #again(): void {
    this.process.after(100 + this.process.below(400), () => this.#join())
  }

  #hearJoin(response: JoinResponse): void {
    if (response.errorCode === 'MEMBER_ID_REQUIRED') {
      this.memberId = response.memberId
      return this.#join()
    }
    if (response.errorCode !== 'NONE') return this.#refused(response.errorCode)
    this.memberId = response.memberId
    this.epoch = response.generationId
    this.#shared = null
    const leads = response.leader === this.memberId
    if (leads) this.#shared = response.skipAssignment ? '' : this.#counts()
    const request = syncRequest({
      groupId: this.groupId,
      memberId: this.memberId,
      generationId: this.epoch,
      groupInstanceId: this.instanceId,
      protocolName: this.#protocol,
      assignments: leads && !response.skipAssignment ? this.#share(response) : [],
    })
    this.process.send(request, ROUND_TIMEOUT_MS, (answer) => this.#hearSync(answer))
  }

  #hearSync(response: GroupResponse | null): void {
    if (response?.kind !== 'sync') return this.#again()
    if (response.errorCode !== 'NONE') return this.#refused(response.errorCode)
    const before = keysOf(this.owned)
    this.#ownedGeneration = this.epoch
    this.own(decodeAssignment(response.assignment).assignedPartitions)
    const now = new Set(keysOf(this.owned))
    // What it gave up is handed on in a further round.
    if (before.every((key) => now.has(key))) this.#beatSoon()
    else this.#join()
  }

  #beatSoon(): void {
    this.process.after(HEARTBEAT_MS, () => {
      const request = heartbeatRequest({
        groupId: this.groupId,
        memberId: this.memberId,
        generationId: this.epoch,
        groupInstanceId: this.instanceId,
      })
      this.process.send(request, REQUEST_TIMEOUT_MS, (response) => {
        if (response?.kind !== 'heartbeat') return this.#beatSoon()
        if (response.errorCode !== 'NONE') return this.#refused(response.errorCode)
        if (this.#shared !== null && this.#shared !== this.#counts()) return this.#join()
        this.#beatSoon()
      })
    })
  }

  #refused(errorCode: GroupError): void {
    if (errorCode === 'REBALANCE_IN_PROGRESS') return this.#join()
    if (!LOST.has(errorCode))
      this.process.network.checker.violation(`${this.name} was answered ${errorCode}`)
    this.own([])
    this.epoch = -1
    this.#ownedGeneration = -1
    if (errorCode !== 'ILLEGAL_GENERATION') this.memberId = ''
    this.#again()
  }

  /** What a leader watches. */
  #counts(): string {
    const { topics } = this.process.network
    return this.topics.map((name) => topics.byName(name)?.partitionCount ?? 0).join()
  }

  #share({ members }: JoinResponse): { memberId: string; assignment: Uint8Array }[] {
    const { topics } = this.process.network
    const assignment = assignors[this.#protocol]({
      members: members.map(({ memberId, groupInstanceId, metadata }) => {
        const { topics: wanted, ownedPartitions, generationId } = decodeSubscription(metadata)
        return {
          memberId,
          groupInstanceId,
          topics: wanted,
          ownedPartitions,
          generation: generationId,
        }
      }),
      partitionCounts: new Map(
        Array.from(topics.topics(), ({ name, partitionCount }) => [name, partitionCount]),
      ),
    })
    return Array.from(assignment, ([memberId, shares]) => ({
      memberId,
      assignment: encodeAssignment({
        assignedPartitions: shares.map(({ topic, partitions }) => ({
          topic,
          partitions: [...partitions],
        })),
        userData: null,
      }),
    }))
  }
}
