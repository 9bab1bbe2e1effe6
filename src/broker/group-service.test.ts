import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../core/index.ts'
import type { JoinRequest } from '../group/index.ts'
import { decodeGroupRecord, GroupCoordinator } from '../group/index.ts'
import { GroupService } from './group-service.ts'

const SESSION_MS = 10_000

describe('answers of groups', () => {
  test('wait for the flush of what they rest on, also those without records of their own', async () => {
    const { service, disk, settle } = fixture()
    const joining = service.request<'join'>(join())
    await settle()
    await disk.flush()
    const { memberId, generationId } = await joining
    const synced = service.request<'sync'>(sync(memberId, generationId))
    const heartbeat = service.request<'heartbeat'>(heartbeatOf(memberId, generationId))
    const committed = service.ask((coordinator) => coordinator.describe('g', 6).groupState)

    const answers: string[] = []
    void synced.then(() => answers.push('synced'))
    void heartbeat.then(() => answers.push('heartbeat'))
    void committed.then(() => answers.push('described'))
    await settle()
    assert.deepEqual(answers, [])

    await disk.flush()
    assert.equal((await synced).errorCode, 'NONE')
    assert.equal((await heartbeat).errorCode, 'NONE')
    assert.equal(await committed, 'Stable')
  })

  test('come from the coordinator of a later request where they have to wait for it', async () => {
    const { service, settle, stable } = fixture()
    const member = await stable()
    let second: string | undefined
    void service.request<'join'>(join()).then((response) => {
      second = response.leader
    })
    await settle()
    assert.equal(second, undefined, 'the group waits for its first member')

    await service.request<'join'>(join(member.memberId))
    await settle()
    assert.equal(second, member.memberId)
  })

  test('are turned away when the broker closes, unless they are decided already', async () => {
    const { service, disk, settle, stable } = fixture()
    const { memberId, generationId } = await stable()
    disk.hold()
    const waiting = service.request<'join'>(join())
    const decided = service.request<'heartbeat'>(heartbeatOf(memberId, generationId))
    await settle()

    service.close()

    await assert.rejects(waiting, { code: 'SHOAL_CLOSED' })
    await disk.flush()
    assert.equal((await decided).errorCode, 'REBALANCE_IN_PROGRESS')
    await assert.rejects(
      service.ask(() => 1),
      { code: 'SHOAL_CLOSED' },
    )
  })

  test('are not given after a disk that failed, and the broker is told', async () => {
    const { service, disk, failures, settle } = fixture()
    const joining = service.request<'join'>(join())
    await settle()
    disk.break()
    await assert.rejects(joining, /the disk is gone/)
    assert.deepEqual(
      failures.map((error) => error.message),
      ['the disk is gone'],
    )
  })

  test('do not come from a coordinator that broke an invariant: the broker ends', async () => {
    const { service, failures, coordinator } = fixture()
    coordinator.handle = () => {
      throw new Error('two owners')
    }
    void service.request<'heartbeat'>(heartbeatOf('m', 1)).catch(() => {})
    assert.deepEqual(
      failures.map((error) => error.message),
      ['two owners'],
    )
    service.close()
  })
})

describe('the sessions of members', () => {
  test('end when nothing comes for the session timeout', async () => {
    const { clock, state, stable } = fixture()
    await stable()
    await clock.advance(SESSION_MS - 1)
    assert.equal(await state(), 'Stable')
    await clock.advance(2)
    assert.equal(await state(), 'Empty')
  })

  test('do not end while the process stands still, but after their whole time since', async () => {
    const { clock, timers, state, stable } = fixture()
    await stable()
    await clock.advance(1_000)
    // The process stands still: an hour passes, and not one timer fires in it.
    await timers.stall(3_600_000)
    assert.equal(await state(), 'Stable')
    await clock.advance(SESSION_MS - 1_600)
    assert.equal(await state(), 'Stable')
    await clock.advance(2_000)
    assert.equal(await state(), 'Empty')
  })

  test('go on when a heartbeat is read in the turn in which they would end', async () => {
    const { clock, service, state, stable, timers } = fixture()
    const { memberId, generationId } = await stable()
    timers.beforeSoon = () => {
      timers.beforeSoon = () => {}
      void service.request<'heartbeat'>(heartbeatOf(memberId, generationId))
    }
    await clock.advance(SESSION_MS + 1)
    assert.equal(await state(), 'Stable')
    await clock.advance(SESSION_MS + 1)
    assert.equal(await state(), 'Empty')
  })

  test('leave no timer behind when the broker closes', async () => {
    const { clock, service, stable } = fixture()
    await stable()
    assert.ok(clock.pendingCount > 0)
    service.close()
    assert.equal(clock.pendingCount, 0)
  })
})

type Join = Omit<JoinRequest, 'replyTo'>

function join(memberId = ''): Join {
  return {
    kind: 'join',
    // Before v4 a member is admitted at once.
    apiVersion: 3,
    clientId: 'c',
    clientHost: '/127.0.0.1',
    groupId: 'g',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: 60_000,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array([1]) }],
    reason: null,
  }
}

function sync(memberId: string, generationId: number) {
  const assignments = [{ memberId, assignment: new Uint8Array([7]) }]
  const nobody = { groupInstanceId: null, protocolType: null, protocolName: null }
  return { kind: 'sync', groupId: 'g', generationId, memberId, ...nobody, assignments } as const
}

function heartbeatOf(memberId: string, generationId: number) {
  return {
    kind: 'heartbeat',
    groupId: 'g',
    generationId,
    memberId,
    groupInstanceId: null,
  } as const
}

/** A service over a disk whose flushes the test holds in its hand; it flushes by itself until told to wait. */
function fixture() {
  const clock = new VirtualClock()
  let members = 0
  const coordinator = new GroupCoordinator({
    newMemberId: (prefix) => `${prefix}-${++members}`,
    topics: {
      byName: (name) => ({ topicId: name, name, partitionCount: 3 }),
      byId: () => undefined,
      topics: () => [],
      version: 0,
    },
    groupInitialRebalanceDelayMs: 0,
  })
  const disk = new HeldDisk()
  const timers = new StallingTimers(clock)
  const failures: Error[] = []
  const fail = (error: Error) => void failures.push(error)
  const service = new GroupService({ coordinator, logs: disk, clock, timers, fail })
  service.start()
  const settle = () => clock.advance(0)
  const stable = async () => {
    const joining = service.request<'join'>(join())
    await settle()
    await disk.flush()
    const { memberId, generationId } = await joining
    const syncing = service.request<'sync'>(sync(memberId, generationId))
    await disk.flush()
    assert.equal((await syncing).errorCode, 'NONE')
    disk.release()
    return { memberId, generationId }
  }
  const state = () => service.ask((group) => group.describe('g', 6).groupState)
  return { clock, service, coordinator, disk, timers, failures, settle, stable, state }
}

class HeldDisk {
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  #held = true

  appendMetadata(machine: string, records: readonly Uint8Array[]): void {
    assert.equal(machine, 'groups')
    for (const record of records) decodeGroupRecord(record)
  }

  flushed(): Promise<void> {
    if (!this.#held) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
  }

  async flush(): Promise<void> {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    await Promise.resolve()
  }

  break(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the disk is gone'))
  }
}

/** The timers of a process that can stand still: what comes due meanwhile fires at the end, too late. */
class StallingTimers {
  /** What the sockets deliver in the turn that `soon` waits for. */
  beforeSoon = (): void => {}
  readonly #clock: VirtualClock
  #late: (() => void)[] | null = null

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  schedule(delayMs: number, fire: () => void) {
    let isCancelled = false
    const timer = this.#clock.schedule(delayMs, () => {
      const act = () => {
        if (!isCancelled) fire()
      }
      if (this.#late === null) act()
      else this.#late.push(act)
    })
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  soon(fire: () => void): void {
    this.#clock.soon(() => {
      this.beforeSoon()
      fire()
    })
  }

  async stall(durationMs: number): Promise<void> {
    this.#late = []
    await this.#clock.advance(durationMs)
    const late = this.#late
    this.#late = null
    for (const fire of late) fire()
    await this.#clock.advance(0)
  }
}
