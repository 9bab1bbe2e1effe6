/**
 * What members of every kind have in common: a process with its lives, and who they are and were.
 */

import type { TopicPartitions } from '../../src/group/index.ts'
import { type Network, Process } from './coordinator-process.ts'

export interface Identity {
  readonly memberId: string
  /** Generation or member epoch. */
  readonly epoch: number
}

export interface ClientOptions {
  readonly network: Network
  readonly name: string
  readonly groupId: string
}

/** A base class: a client of any kind is one, and the world calls it as one. */
export abstract class Client implements Identity {
  readonly groupId: string
  readonly process: Process
  memberId = ''
  epoch = 0
  /** Who it was: a process that is late may still speak as that. */
  readonly past: Identity[] = []
  protected readonly name: string

  constructor({ network, name, groupId }: ClientOptions) {
    this.name = name
    this.groupId = groupId
    this.process = new Process(network)
  }

  start(): void {
    if (this.process.isUp) return
    this.process.start()
    this.begin()
  }

  crash(): void {
    this.drop()
    this.process.kill()
  }

  leave(): void {
    if (!this.process.isUp) return
    this.drop()
    this.sayGoodbye()
    this.process.kill()
  }

  /** Says what only who it was then might say. */
  abstract speakAs(identity: Identity): void

  protected abstract begin(): void
  protected abstract sayGoodbye(): void
  /** Lets go of what it has. */
  protected abstract drop(): void

  protected remember(): void {
    const { memberId, epoch } = this
    this.past.push({ memberId, epoch })
  }
}

export function keysOf(owned: readonly TopicPartitions[]): readonly string[] {
  return owned.flatMap(({ topic, partitions }) => partitions.map((each) => `${topic}/${each}`))
}
