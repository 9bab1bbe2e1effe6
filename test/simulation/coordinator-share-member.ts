/**
 * A member of a share group (KIP-932): heartbeats that say what changed, everything again after an answer that was lost, and
 * what to read from at once: others may read from it too. Now and then it subscribes to other topics.
 *
 * Who hears that it is fenced, or not known, begins again at epoch 0 under the same id; a new process has a new one.
 */

import type {
  ShareHeartbeatRequest,
  ShareHeartbeatResponse,
  TopicIdPartitions,
} from '../../src/group/index.ts'
import { Client, type ClientOptions, type Identity } from './coordinator-client.ts'
import { HEARTBEAT_MS, REQUEST_TIMEOUT_MS } from './coordinator-worker.ts'

const REJOIN_MS = 200

export function shareBeat(over: Partial<ShareHeartbeatRequest>): ShareHeartbeatRequest {
  return {
    kind: 'share-heartbeat',
    replyTo: 0,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    groupId: '',
    memberId: '',
    memberEpoch: 0,
    rackId: null,
    subscribedTopicNames: null,
    ...over,
  }
}

export class ShareMember extends Client {
  topics: readonly string[]
  /** What it reads from. */
  assigned: readonly TopicIdPartitions[] = []
  #lives = 0
  /** The subscription that the broker knows of; null: say everything again. */
  #told: readonly string[] | null = null

  constructor(options: ClientOptions, topics: readonly string[]) {
    super(options)
    this.topics = topics
  }

  /** From the next heartbeat on. */
  subscribe(topics: readonly string[]): void {
    this.topics = topics
  }

  override speakAs({ memberId, epoch: memberEpoch }: Identity): void {
    this.process.network.checker.count('late heartbeat')
    const request = shareBeat({ groupId: this.groupId, memberId, memberEpoch })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  protected begin(): void {
    this.memberId = `${this.name}/${++this.#lives}`
    this.#forget()
    this.#beat()
  }

  protected sayGoodbye(): void {
    const { groupId, memberId } = this
    const request = shareBeat({ groupId, memberId, memberEpoch: -1 })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  protected drop(): void {
    this.assigned = []
  }

  #forget(): void {
    this.drop()
    this.epoch = 0
    this.#told = null
  }

  #beat(): void {
    const { groupId, memberId, epoch: memberEpoch, topics } = this
    const subscribedTopicNames = this.#told === topics ? null : topics
    const request = shareBeat({ groupId, memberId, memberEpoch, subscribedTopicNames })
    this.process.send(request, REQUEST_TIMEOUT_MS, (response) => {
      this.#told = response === null ? null : topics
      if (response?.kind === 'share-heartbeat') this.#hear(response)
      this.process.after(this.epoch === 0 ? REJOIN_MS : HEARTBEAT_MS, () => this.#beat())
    })
  }

  #hear({ errorCode, memberEpoch, assignment }: ShareHeartbeatResponse): void {
    const { checker } = this.process.network
    switch (errorCode) {
      case 'NONE':
        this.epoch = memberEpoch
        this.remember()
        if (assignment === null) return
        this.assigned = assignment.topicPartitions
        return checker.count('share assignment')
      case 'FENCED_MEMBER_EPOCH':
      case 'UNKNOWN_MEMBER_ID':
      case 'GROUP_ID_NOT_FOUND':
        checker.count('share member told that it is out')
        return this.#forget()
      default:
        checker.violation(`${this.name} was answered ${errorCode}`)
    }
  }
}
