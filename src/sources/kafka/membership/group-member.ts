/**
 * Our member of a group: chooses the protocol that it speaks, and is what that protocol's member is.
 *
 *   auto ──broker speaks KIP-848?──yes──▶ ConsumerMember ──refused as such──▶ ClassicMember
 *                    └──────no─────────▶ ClassicMember ──has to join anew──▶ (asks again)
 *
 * A member that runs keeps its protocol, for leaving it means giving up everything: when a broker is upgraded under a
 * classic member the group changes its kind with the first member that restarts, and the broker serves both. One that
 * lost its place has nothing left to keep, so it looks again. When a broker goes back to a version without KIP-848, a
 * member of `auto` loses what it has and joins as a classic one.
 */

import { ShoalError, messageOf } from '../../../core/index.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'
import { consumerGroupHeartbeat } from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { ClassicMember } from './classic-member.ts'
import { ConsumerMember } from './consumer-member.ts'
import type { AskedAs, Membership, MembershipOptions } from './membership.ts'

export class GroupMember implements Membership {
  readonly #options: MembershipOptions
  #current: Membership | null = null
  #isClosed = false
  /** The broker speaks KIP-848, but this group takes no such member. */
  #isRefused = false
  #waiting: (() => void)[] = []

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  get memberId(): string {
    return this.#current?.memberId ?? ''
  }

  get generation(): number {
    return this.#current?.generation ?? -1
  }

  get isClosed(): boolean {
    return this.#isClosed || this.#current?.isClosed === true
  }

  start(): void {
    const { groupProtocol } = this.#options.settings
    if (groupProtocol === 'auto') void this.#choose()
    else this.#begin(groupProtocol)
  }

  owns(partition: OwnedPartition): boolean {
    return this.#current?.owns(partition) ?? false
  }

  isFresh(): boolean {
    return this.#current?.isFresh() ?? false
  }

  async settled(): Promise<void> {
    while (this.#current === null && !this.#isClosed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    await this.#current?.settled()
  }

  refused(asked: AskedAs, error: KafkaErrorCode): void {
    this.#current?.refused(asked, error)
  }

  topicsChanged(isSubscription: boolean): void {
    this.#current?.topicsChanged(isSubscription)
  }

  topicRemade(topic: string): void {
    this.#current?.topicRemade(topic)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#wake()
    await this.#current?.close()
  }

  async #choose(): Promise<void> {
    const { client, group, events } = this.#options
    try {
      const speaks = await client.retrying(
        () => client.speaks(consumerGroupHeartbeat, { group }),
        Number.MAX_SAFE_INTEGER,
      )
      this.#begin(speaks ? 'consumer' : 'classic')
    } catch (error) {
      if (!this.#isClosed)
        events.failed(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  #begin(protocol: 'consumer' | 'classic'): void {
    if (this.#isClosed) return
    this.#current =
      protocol === 'consumer'
        ? new ConsumerMember({ ...this.#options, onUnsupported: (error) => this.#refuse(error) })
        : new ClassicMember({ ...this.#options, yields: () => this.#yields() })
    this.#current.start()
    this.#wake()
  }

  /** No member of KIP-848 here, or no longer. */
  #refuse(error: ShoalError): void {
    if (this.#options.settings.groupProtocol !== 'auto') return this.#options.events.failed(error)
    this.#isRefused = true
    this.#begin('classic')
  }

  /** A classic member would join anew, from the outside: true when it is over, and another one begins. */
  async #yields(): Promise<boolean> {
    const { client, group, settings } = this.#options
    if (settings.groupProtocol !== 'auto' || this.#isRefused || this.#isClosed) return false
    if (!(await client.speaks(consumerGroupHeartbeat, { group }))) return false
    this.#begin('consumer')
    return true
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
