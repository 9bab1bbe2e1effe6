/**
 * Who is in the group, from what members say to each other: pure.
 *
 * RabbitMQ knows consumers of a queue, no members of a group. So each member tells all others, by a fanout exchange, that it
 * is there, what it reads and what it holds. Who was silent for the session timeout is gone. What somebody believes
 * wrongly for a while does no harm: a queue gives its messages to one consumer at a time, whoever planned it.
 */

import type { ShardHolder, ShardMember } from '../shards/shard-plan.ts'

export interface Announcement {
  readonly memberId: string
  readonly topics: readonly string[]
  /** `topic/shard` of all that it holds, what it is giving up included. */
  readonly holds: readonly string[]
  /** It asks the others to say at once that they are there. */
  readonly isGreeting?: boolean
  readonly isLeaving?: boolean
  /** When it was said, by the clock of its member alone. */
  readonly sentMs?: number
}

interface Known {
  readonly announcement: Announcement
  readonly heardMs: number
}

export class Presence {
  readonly #known = new Map<string, Known>()
  readonly #sessionTimeoutMs: number

  constructor(sessionTimeoutMs: number) {
    this.#sessionTimeoutMs = sessionTimeoutMs
  }

  /** True when it changes who is there or what is held. */
  heard(announcement: Announcement, nowMs: number): boolean {
    const { memberId } = announcement
    const before = this.#known.get(memberId)?.announcement
    if (announcement.isLeaving === true) return this.#known.delete(memberId)
    this.#known.set(memberId, { announcement, heardMs: nowMs })
    return before === undefined || textOf(before) !== textOf(announcement)
  }

  /** True when somebody is gone. */
  forgetSilent(nowMs: number): boolean {
    let isGone = false
    for (const [memberId, { heardMs }] of this.#known)
      if (nowMs - heardMs >= this.#sessionTimeoutMs) isGone = this.#known.delete(memberId) || isGone
    return isGone
  }

  clear(): void {
    this.#known.clear()
  }

  members(): readonly ShardMember[] {
    return [...this.#known.values()].map(({ announcement: { memberId, topics } }) => ({
      memberId,
      topics,
    }))
  }

  holders(): readonly ShardHolder[] {
    return [...this.#known.values()].flatMap(({ announcement: { memberId, holds } }) =>
      holds.map((id) => {
        const slash = id.lastIndexOf('/')
        return { memberId, topic: id.slice(0, slash), shard: Number(id.slice(slash + 1)) }
      }),
    )
  }
}

/** @returns null for what no member of ours says */
export function parseAnnouncement(bytes: Uint8Array): Announcement | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof parsed !== 'object' || parsed === null) return null
    const { memberId, topics, holds, isGreeting, isLeaving, sentMs } = parsed as Record<
      string,
      unknown
    >
    if (typeof memberId !== 'string' || !areTexts(topics) || !areTexts(holds)) return null
    return {
      memberId,
      topics,
      holds,
      isGreeting: isGreeting === true,
      isLeaving: isLeaving === true,
      ...(typeof sentMs === 'number' ? { sentMs } : {}),
    }
  } catch {
    return null
  }
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function textOf({ topics, holds }: Announcement): string {
  return JSON.stringify([topics.toSorted(), holds.toSorted()])
}
