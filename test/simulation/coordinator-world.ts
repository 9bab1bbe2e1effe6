/**
 * A coordinator, groups of every kind of member, and everything going wrong that a seed asks for.
 *
 *   eager         classic members, `range`
 *   cooperative   classic members, `cooperative-sticky`
 *   mixed         KIP-848 members and HTTP members, in some seeds with cooperative classic ones: it migrates while it runs
 *   share         members of a share group, each with a subscription of its own: `coordinator-share-world.ts`
 *
 * In all but the last some members are static. Then faults end, and every group must settle in a time that its timeouts bound.
 */

import { type Random, randomBelow, seededRandom } from '../../src/core/index.ts'
import { topicsOf } from '../../src/group/fixture.test.ts'
import { Agenda } from './agenda.ts'
import { CoordinatorChecker } from './coordinator-checker.ts'
import { ClassicMember } from './coordinator-classic-member.ts'
import { type Client, keysOf } from './coordinator-client.ts'
import { ConsumerMember } from './coordinator-consumer-member.ts'
import { HttpMember } from './coordinator-http-member.ts'
import type { Network } from './coordinator-process.ts'
import { SHARE_GROUP, ShareWorld } from './coordinator-share-world.ts'
import { type CoordinatorBuild, CoordinatorShell } from './coordinator-shell.ts'
import { REBALANCE_TIMEOUT_MS, SESSION_TIMEOUT_MS, type Worker } from './coordinator-worker.ts'

const FAULTS_FOR_MS = 40_000
const LONGEST_STALL_MS = 3 * SESSION_TIMEOUT_MS
const NEW_MEMBER_TIMEOUT_MS = 20_000
/** The longest chain after the last fault: a join that died is let go, a round without it, a sync that never comes, a session. */
const SETTLES_WITHIN_MS = NEW_MEMBER_TIMEOUT_MS + 3 * REBALANCE_TIMEOUT_MS + 2 * SESSION_TIMEOUT_MS

/** What has settled stays as it is. */
const STAYS_FOR_MS = 2 * SESSION_TIMEOUT_MS

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  eager: ['a', 'b'],
  cooperative: ['a', 'c'],
  mixed: ['a', 'b', 'd'],
}

export interface CoordinatorResult {
  readonly violations: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

export function simulateCoordinator(seed: number, build: CoordinatorBuild): CoordinatorResult {
  const world = new World(seed, build)
  try {
    world.run()
  } catch (error) {
    // A coordinator that finds itself broken ends the run as well as one that is found out.
    world.checker.violation(`thrown: ${error instanceof Error ? error.message : String(error)}`)
  }
  const { violations, counts } = world.checker
  return { violations, counts }
}

class World {
  readonly checker: CoordinatorChecker
  readonly #random: Random
  readonly #agenda = new Agenda()
  /** A name that was deleted is not used again. */
  readonly #topics = topicsOf({ a: 3, b: 2 })
  readonly #unused = new Set(['c', 'd'])
  readonly #shell: CoordinatorShell
  readonly #network: Network
  readonly #workers: readonly Worker[]
  readonly #share: ShareWorld
  readonly #members: readonly Client[]
  /** How likely each kind of trouble is in this seed. */
  readonly #swarm: Readonly<
    Record<
      | 'broker'
      | 'members'
      | 'stall'
      | 'topics'
      | 'wall'
      | 'late'
      | 'host'
      | 'pause'
      | 'share'
      | 'rejoin',
      number
    >
  >

  constructor(seed: number, build: CoordinatorBuild) {
    this.#random = seededRandom(seed)
    const chance = () => (this.#below(3) === 0 ? 0 : this.#random.next())
    this.#swarm = {
      broker: chance() / 8,
      members: chance() / 2,
      stall: chance() / 4,
      topics: chance() / 8,
      wall: chance() / 8,
      late: chance(),
      host: chance() / 16,
      pause: chance() / 8,
      share: chance() / 4,
      rejoin: chance() / 4,
    }
    const config = { sessionTimeoutMs: SESSION_TIMEOUT_MS, heartbeatIntervalMs: 1_500 }
    const configOf = (groupId: string) => (groupId === SHARE_GROUP ? this.#share.config : config)
    this.checker = new CoordinatorChecker(
      this.#topics,
      (groupId) => configOf(groupId).sessionTimeoutMs,
    )
    let ids = 0
    const intervalMs = this.#below(2) * 1_000
    this.#shell = new CoordinatorShell({
      agenda: this.#agenda,
      checker: this.checker,
      random: this.#random,
      build,
      maxFlushMs: this.#below(4) === 0 ? 1_500 : 30,
      coordinator: {
        newMemberId: (prefix) => `${prefix}-${++ids}`,
        topics: this.#topics,
        groupInitialRebalanceDelayMs: this.#below(2) * 1_500,
        groupNewMemberJoinTimeoutMs: NEW_MEMBER_TIMEOUT_MS,
        consumerGroupConfig: () => ({ ...config, assignmentIntervalMs: intervalMs }),
        shareGroupConfig: configOf,
      },
    })
    this.#network = {
      agenda: this.#agenda,
      random: this.#random,
      checker: this.checker,
      topics: this.#topics,
      shell: this.#shell,
      faults: { loss: chance() / 6, repeat: chance() / 6, maxDelayMs: 1 + this.#below(400) },
      nextOffset: 1,
    }
    this.#workers = Object.keys(GROUPS).flatMap((groupId) => this.#membersOf(groupId))
    this.#share = new ShareWorld(this.#network, this.#workers)
    this.#members = [...this.#workers, ...this.#share.members]
  }

  run(): void {
    while (this.#agenda.nowMs < FAULTS_FOR_MS && this.#isFine()) {
      this.#act()
      this.#agenda.advance(this.#below(500))
    }
    this.#calmDown()
    // Who stands still goes on in this time at the latest: that is the last thing that happens.
    this.#agenda.advance(LONGEST_STALL_MS)
    const endMs = this.#agenda.nowMs + SETTLES_WITHIN_MS
    let problem: string | null = ''
    while (problem !== null && this.#agenda.nowMs < endMs && this.#isFine()) {
      this.#agenda.advance(1_000)
      problem = this.#unsettled()
    }
    if (problem === null) {
      this.#agenda.advance(STAYS_FOR_MS)
      problem = this.#unsettled()
    }
    if (!this.#isFine()) return
    if (problem !== null) this.checker.violation(`not settled: ${problem}`)
    this.checker.checkOffsets(this.#shell.coordinator)
    this.checker.share.checkDescribed(this.#shell.coordinator)
    const { longestWaitMs } = this.#shell
    if (longestWaitMs > NEW_MEMBER_TIMEOUT_MS)
      this.checker.violation(`nobody answers: a request waits for ${longestWaitMs} ms`)
  }

  #isFine(): boolean {
    return this.checker.violations.length === 0
  }

  #membersOf(groupId: string): readonly Worker[] {
    const classicCount = groupId === 'mixed' ? this.#below(3) : Infinity
    return Array.from({ length: 2 + this.#below(3) }, (_, index) => {
      const isClassic = index < classicCount
      const isStatic = this.#below(3) === 0 && !(groupId === 'mixed' && isClassic)
      const options = {
        network: this.#network,
        name: `${groupId}-${index}`,
        groupId,
        topics: GROUPS[groupId] ?? [],
        isStatic,
      }
      if (isClassic) return new ClassicMember(options, { isEager: groupId === 'eager' })
      return this.#below(3) === 0
        ? new HttpMember({ ...options, isStatic: false }, { listsOwned: this.#below(2) === 0 })
        : new ConsumerMember(options)
    })
  }

  #act(): void {
    const { broker, members, stall, topics, wall, late, host, pause, share, rejoin } = this.#swarm
    if (this.#happens(broker)) this.#crashBroker()
    if (this.#happens(members)) this.#changeMember()
    if (this.#happens(stall)) this.#stallMember()
    if (this.#happens(topics)) this.#changeTopic()
    if (this.#happens(wall)) this.#jump()
    if (this.#happens(late)) this.#speakLate()
    if (this.#happens(pause)) this.#pause()
    if (this.#happens(share)) this.#share.act()
    if (this.#happens(rejoin)) this.#rejoin()
    if (this.#happens(host)) {
      this.checker.count('host stall')
      this.#shell.stall(this.#below(9_000))
    }
    for (const member of this.#members)
      if (!member.process.isUp && this.#happens(0.05)) member.start()
  }

  #crashBroker(): void {
    if (!this.#shell.isUp) return
    this.checker.count('broker crash')
    this.#shell.crash()
    this.#agenda.after(this.#below(3_000), () => {
      if (!this.#shell.isUp) this.#shell.start()
    })
  }

  #changeMember(): void {
    const member = this.#anyMember()
    const kind = this.#below(3)
    if (kind === 0) member.start()
    else if (member.process.isUp) {
      this.checker.count(kind === 1 ? 'member crash' : 'member leave')
      if (kind === 1) member.crash()
      else member.leave()
    }
  }

  /** Subscribes to fewer topics or to all of them, and goes on with its work. */
  #rejoin(): void {
    const member = this.#anyMember()
    if (!(member instanceof HttpMember)) return
    this.checker.count('HTTP member joins again')
    member.subscribe(1 + this.#below(3))
  }

  /** Some sleep through their session and come back as who they were. */
  #stallMember(): void {
    const member = this.#anyMember()
    if (!member.process.isUp) return
    this.checker.count('member stall')
    member.process.stall(this.#below(LONGEST_STALL_MS))
  }

  #changeTopic(): void {
    const [name] = this.#unused
    if (name !== undefined && this.#below(3) === 0) {
      this.checker.count('topic created')
      this.#unused.delete(name)
      this.#topics.set(name, 1 + this.#below(3))
      return
    }
    const existing = ['a', 'b', 'c', 'd'].flatMap((each) => this.#topics.byName(each) ?? [])
    const topic = existing[this.#below(existing.length)]
    if (topic === undefined) return
    if (topic.name === 'a' || this.#below(2) === 0) {
      this.checker.count('topic grown')
      this.#topics.set(topic.name, Math.min(6, topic.partitionCount + 1))
      return
    }
    this.checker.count('topic deleted')
    this.#topics.delete(topic.name)
    this.checker.topicDeleted(topic.name)
    this.#shell.deleteTopic(topic)
  }

  /** An administrator pauses a group, resets its offsets as soon as nobody works on them, or resumes it. */
  #pause(): void {
    const groups = Object.keys(GROUPS)
    const groupId = groups[this.#below(groups.length)] ?? ''
    const kind = this.#below(4)
    const untilMs = this.#below(2) === 0 ? null : this.#shell.wallOffsetMs + this.#below(30_000)
    this.checker.count(kind === 0 ? 'resume' : 'pause')
    if (kind === 0) return this.#resume(groupId)
    const pause = { kind: 'pause', replyTo: 0, groupId, reason: '', untilMs } as const
    this.#shell.ask(pause, () => {})
    if (kind > 1)
      for (let at = 1; at <= 5; at++) this.#agenda.after(at * 2_000, () => this.#reset(groupId))
    this.#agenda.after(1_000 + this.#below(20_000), () => this.#resume(groupId))
  }

  #resume(groupId: string): void {
    this.#shell.ask({ kind: 'resume', replyTo: 0, groupId }, () => {})
  }

  #reset(groupId: string): void {
    const [name = 'a'] = GROUPS[groupId] ?? []
    const partitionCount = this.#topics.byName(name)?.partitionCount ?? 0
    const partitions = Array.from({ length: partitionCount }, (_, partitionIndex) => ({
      partitionIndex,
      committedOffset: this.#network.nextOffset++,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    }))
    this.#shell.ask(
      {
        kind: 'offset-commit',
        replyTo: 0,
        apiVersion: 9,
        groupId,
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics: [{ name, partitions }],
      },
      () => {},
    )
  }

  #jump(): void {
    this.checker.count('wall jump')
    this.#shell.wallOffsetMs += (this.#below(2) * 2 - 1) * this.#below(3_600_000)
  }

  /** A process that should have known better speaks as who it was. */
  #speakLate(): void {
    const member = this.#anyMember()
    const identity = member.past[this.#below(member.past.length)]
    if (identity === undefined || identity.epoch <= 0 || !member.process.isUp) return
    member.speakAs(identity)
  }

  /** Nothing fails any more; every group has somebody in. */
  #calmDown(): void {
    this.#network.faults.loss = 0
    this.#network.faults.repeat = 0
    this.#network.faults.maxDelayMs = 5
    for (const groupId of [...Object.keys(GROUPS), SHARE_GROUP]) {
      const members = this.#members.filter((member) => member.groupId === groupId)
      if (!members.some(({ process }) => process.isUp)) members[0]?.start()
    }
    for (const member of this.#workers) if (member instanceof HttpMember) member.subscribe()
    if (!this.#shell.isUp) this.#shell.start()
    this.#agenda.after(LONGEST_STALL_MS / 2, () => {
      for (const groupId of Object.keys(GROUPS)) this.#resume(groupId)
    })
  }

  /** What is not as it should be in the end; null when everything is. */
  #unsettled(): string | null {
    for (const [groupId, topics] of Object.entries(GROUPS)) {
      const living = this.#workers.filter(
        (member) => member.groupId === groupId && member.process.isUp,
      )
      const { coordinator } = this.#shell
      const consumer = coordinator.describeConsumer(groupId)
      const group = consumer.errorCode === 'NONE' ? consumer : coordinator.describe(groupId, 6)
      if (group.groupState !== 'Stable') return `${groupId} is ${group.groupState}`
      const there = group.members.map(({ memberId }) => memberId)
      const known = living.map(({ memberId }) => memberId)
      if (!sameSet(there, known)) return `${groupId} has ${there.join()}, not ${known.join()}`
      const wanted = topics.flatMap((name) =>
        Array.from(
          { length: this.#topics.byName(name)?.partitionCount ?? 0 },
          (_, partition) => `${name}/${partition}`,
        ),
      )
      const owned = living.flatMap((member) => keysOf(member.owned))
      if (!sameSet(owned, wanted)) return `${groupId} owns ${owned.join()}, not ${wanted.join()}`
    }
    return this.#share.unsettled()
  }

  #anyMember(): Client {
    const member = this.#members[this.#below(this.#members.length)]
    if (member === undefined) throw new Error('a world has members')
    return member
  }

  #happens(chance: number): boolean {
    return this.#random.next() < chance
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }
}

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  return String([...left].sort()) === String([...right].sort())
}
