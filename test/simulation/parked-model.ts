/**
 * The parked-key protocol as an explicit-state model: every interleaving of two owners, one key and three records, with a
 * crash anywhere and appends that land late, twice or never.
 *
 * The broker is a log, a committed position and a generation; an owner is what `parking.ts` does, one step at a time, and
 * its knowledge is the real `ParkedLanes` folded over the log. Three things must hold:
 *   order     a record is begun only when every earlier one has been completed at least once;
 *   at last   when all is done, the last record is also the one that was completed last: no repeat comes late;
 *   progress  from every state there is a way to one in which all are completed, committed, and no lane is parked.
 *
 * What the model leaves out: payloads, several keys (lanes share nothing but the log), time.
 */

import { ParkedLanes } from '../../src/consumer/parking/parked-lanes.ts'
import type { ParkedEntry } from '../../src/consumer/parking/parked-lanes.ts'

const LANE = 'k'
const MOST_STATES = 1_000_000

/** The protocol's decisions, to be broken one at a time. */
export interface ParkedProtocol {
  /** Whether an owner fences and reads the log before it takes records. */
  readonly loadsFirst: boolean
  /** Whether only what the writer of the last fence wrote counts. */
  readonly voids: boolean
  /** Whether a diverted record counts as done, and its lane goes on, only when its append was read back. */
  readonly waitsForAppend: boolean
  /** Whether records behind a parked one are diverted. */
  readonly diverts: boolean
}

/** How large the world is. */
export interface ModelBounds {
  readonly records: number
  /** Executions that fail. */
  readonly failures: number
  /** Appends that land twice. */
  readonly faults: number
}

export const parkedProtocol: ParkedProtocol = {
  loadsFirst: true,
  voids: true,
  waitsForAppend: true,
  diverts: true,
}

/** Entries are texts like `m1.4.0` (record 1, the fourth entry behind fence 0), `d1.5.0`, `f0.1` (fence 0 of owner 1). */
interface Owner {
  /** `gone` died; `fencing` waits for its fence; `busy` owns the partition. */
  readonly phase: 'idle' | 'fencing' | 'busy' | 'gone'
  /** What its fence carries. */
  readonly by: number
  /** Entries it has written behind its fence. */
  readonly sequence: number
  /** The record it takes next. */
  readonly next: number
  /** How far it has read the log. */
  readonly read: number
  /** Appends it has sent and heard nothing of. */
  readonly sent: readonly string[]
  /** Appends that were acknowledged and that it has not read back. */
  readonly acked: readonly string[]
  /** Records that it counts as done, as bits. */
  readonly done: number
  /** The parked record whose completion it is writing. */
  readonly closing: string | null
}

interface State {
  readonly log: readonly string[]
  /** Appends on their way: they may land at any time, also when their sender is gone. */
  readonly flying: readonly string[]
  /** Second copies of appends that landed. */
  readonly late: readonly string[]
  readonly committed: number
  readonly owners: readonly [Owner, Owner]
  readonly records: number
  /** Records completed at least once, as bits. */
  readonly completed: number
  /** The record that was completed last, -1 before the first. */
  readonly last: number
  /** Failures that may still happen. */
  readonly failures: number
  /** Appends that may still land twice. */
  readonly faults: number
  readonly violation: string | null
}

export interface ModelResult {
  readonly states: number
  readonly violation: string | null
}

const FRESH: Owner = {
  phase: 'idle',
  by: 0,
  sequence: 0,
  next: 0,
  read: 0,
  sent: [],
  acked: [],
  done: 0,
  closing: null,
}

/** Enumerates every state that can be reached. */
export function explore(
  protocol: ParkedProtocol,
  { records, failures, faults }: ModelBounds,
): ModelResult {
  const start: State = {
    log: [],
    flying: [],
    late: [],
    committed: 0,
    owners: [FRESH, FRESH],
    records,
    completed: 0,
    last: -1,
    failures,
    faults,
    violation: null,
  }
  const ids = new Map<string, number>()
  const states: State[] = []
  const before: number[][] = []
  const goals: number[] = []
  const visit = (reached: State): number => {
    const state = canonical(reached, protocol.voids)
    const key = keyOf(state)
    const known = ids.get(key)
    if (known !== undefined) return known
    const id = states.length
    ids.set(key, id)
    states.push(state)
    before.push([])
    if (isGoal(state, protocol.voids)) goals.push(id)
    return id
  }
  visit(start)
  for (let id = 0; id < states.length; id++) {
    if (id > MOST_STATES) throw new Error('the model is too large: something in it never ends')
    const state = states[id] as State
    if (state.violation !== null) return { states: states.length, violation: state.violation }
    if (isGoal(state, protocol.voids) && state.last !== records - 1)
      return {
        states: states.length,
        violation: `at last: record ${state.last} was repeated alone`,
      }
    for (const next of steps(state, protocol)) before[visit(next)]?.push(id)
  }
  const live = new Set(goals)
  for (const id of live) for (const former of before[id] ?? []) live.add(former)
  const stuck = states.findIndex((_, id) => !live.has(id))
  const violation = stuck < 0 ? null : `progress: no way on from ${JSON.stringify(states[stuck])}`
  return { states: states.length, violation }
}

/**
 * The same state with less history: appends on their way have no order, and what lies before a moment in which no lane
 * was parked, and has been read by everybody, tells nothing.
 */
function canonical(state: State, voids: boolean): State {
  const { log, flying, owners } = state
  const busy = owners.filter(({ phase }) => phase === 'busy')
  const limit = Math.min(log.length, ...busy.map(({ read }) => read))
  const lanes = new ParkedLanes()
  let cut = 0
  let fence: string | null = null
  for (let offset = 0; offset < limit; offset++) {
    const entry = log[offset] as string
    lanes.replay(offset, voids ? entryOf(entry) : forgiven(entryOf(entry), lanes, offset))
    if (lanes.has(LANE)) continue
    cut = offset + 1
  }
  for (const entry of log.slice(0, cut))
    if (entry.startsWith('f') && (fence === null || numberOf(entry) > numberOf(fence)))
      fence = entry
  // The highest sequence behind the fence is all that is left of what was cut off.
  const last = log
    .slice(0, cut)
    .filter((entry) => fence !== null && numberOf(entry) === numberOf(fence) && entry[0] !== 'f')
    .toSorted((a, b) => sequenceOf(b) - sequenceOf(a))
    .slice(0, 1)
    .map((entry) => `d0.${sequenceOf(entry)}.${numberOf(entry)}`)
  const head = fence === null ? [] : [fence, ...last]
  const shift = cut - head.length
  const trimmed = mapOwners(state, (owner) => ({
    ...owner,
    read: owner.phase === 'busy' ? owner.read - shift : 0,
    sent: owner.sent.toSorted(),
    acked: owner.acked.toSorted(),
  }))
  return { ...trimmed, log: [...head, ...log.slice(cut)], flying: flying.toSorted() }
}

function keyOf({
  log,
  flying,
  late,
  committed,
  owners,
  completed,
  last,
  failures,
  faults,
  violation,
}: State): string {
  const own = owners.map(
    ({ phase, by, next, read, sent, acked, done, closing }) =>
      `${phase[0]}${by}${next}.${read}.${done}.${closing}.${sent.join()}.${acked.join()}`,
  )
  return `${log.join()}|${flying.join()}|${late.join()}|${committed}.${completed}.${last}.${failures}.${faults}|${own.join('|')}|${violation}`
}

function isGoal({ completed, committed, log, owners, records }: State, voids: boolean): boolean {
  const all = (1 << records) - 1
  return (
    completed === all &&
    committed === records &&
    !lanesOf(log, log.length, voids).has(LANE) &&
    owners.some(({ phase }) => phase === 'busy')
  )
}

function steps(state: State, protocol: ParkedProtocol): State[] {
  return [...brokerSteps(state), ...[0, 1].flatMap((index) => ownerSteps(state, index, protocol))]
}

/**
 * Appends land, in time or late; those of one writer in the order in which he made them, as on a connection. One that was
 * made twice, as its answer was lost, lands a second time whenever it likes.
 */
function brokerSteps(state: State): State[] {
  const { flying, late, log, faults } = state
  const inTurn = flying.flatMap((entry) => {
    const isFirst = flying.every(
      (other) => numberOf(other) !== numberOf(entry) || sequenceOf(other) >= sequenceOf(entry),
    )
    if (!isFirst) return []
    const left = without(flying, entry)
    const landed = { ...acknowledged(state, entry), log: [...log, entry], flying: left }
    return faults === 0
      ? [landed]
      : [landed, { ...landed, late: [...late, entry], faults: faults - 1 }]
  })
  const again = late.map((entry) => ({
    ...state,
    log: [...log, entry],
    late: without(late, entry),
  }))
  return [...inTurn, ...again]
}

function acknowledged(state: State, entry: string): State {
  return mapOwners(state, (owner) =>
    owner.sent.includes(entry)
      ? { ...owner, sent: without(owner.sent, entry), acked: [...owner.acked, entry] }
      : owner,
  )
}

function ownerSteps(state: State, index: number, protocol: ParkedProtocol): State[] {
  const owner = state.owners[index] as Owner
  if (owner.phase === 'gone') return []
  const set = (change: Partial<Owner>, rest: Partial<State> = {}): State =>
    withOwner({ ...state, ...rest }, index, { ...owner, ...change })
  if (owner.phase === 'idle') {
    const former = state.owners[1 - index] as Owner
    if (index === 1 && former.phase !== 'gone') return []
    const took = { next: state.committed }
    if (!protocol.loadsFirst) return [set({ ...took, phase: 'busy', by: index })]
    return [fencing(state, { ...owner, ...took }, set, index)]
  }
  // The first owner may die at any moment; what it has under way lives on.
  const ends = index === 0 ? [set({ ...FRESH, phase: 'gone' })] : []
  if (owner.phase === 'fencing') return [...ends, ...load(state, owner, index, protocol, set)]
  return [...ends, ...work(state, owner, index, protocol, set)]
}

type Set = (change: Partial<Owner>, rest?: Partial<State>) => State

/** Writes its fence, with the next number. What it had under way is asked for again once that is read. */
function fencing(state: State, owner: Owner, set: Set, index: number): State {
  const by = (lanesOf(state.log, state.log.length, true).owner ?? -1) + 1
  const fence = `f${by}.${index}`
  return set(
    { ...owner, phase: 'fencing', by, sequence: 0, sent: [fence], acked: [], closing: null },
    { flying: [...state.flying, fence] },
  )
}

function load(
  state: State,
  owner: Owner,
  index: number,
  { voids }: ParkedProtocol,
  set: Set,
): State[] {
  const { log } = state
  const [fence] = owner.acked
  if (fence === undefined) return []
  const own = log.indexOf(fence)
  const counts = (lanesOf(log, own, voids).owner ?? -1) < owner.by
  const read = log.length
  const isLast = lanesOf(log, read, voids).owner === owner.by
  if (counts && isLast) return [set({ phase: 'busy', read, acked: [] })]
  return [fencing(state, owner, set, index)]
}

function work(
  state: State,
  owner: Owner,
  index: number,
  protocol: ParkedProtocol,
  set: Set,
): State[] {
  const { log, flying } = state
  const send = (entry: string, change: Partial<Owner>): State =>
    set(
      { ...change, sequence: owner.sequence + 1, sent: [...owner.sent, entry] },
      { flying: [...flying, entry] },
    )
  const next: State[] = []
  if (owner.read < log.length) {
    if (lanesOf(log, log.length, true).owner !== owner.by) {
      if (index === 0) return [set({ ...FRESH, phase: 'gone' })]
      // Somebody else's fence: what is not yet known to count is done again behind a new one.
      const pending = [...owner.sent, ...owner.acked].find((entry) => entry.startsWith('m'))
      const again = pending === undefined ? owner.next : Number(pending[1])
      const done = owner.done & ((1 << again) - 1)
      return [fencing(state, { ...owner, next: again, done }, set, index)]
    }
    const acked = owner.acked.filter((entry) => !log.includes(entry, owner.read))
    next.push(set({ read: log.length, acked }))
  }
  const lanes = lanesOf(log, owner.read, protocol.voids)
  const pending = [...owner.sent, ...owner.acked].filter((entry) => entry.startsWith('m'))
  const waiting = protocol.waitsForAppend && pending.length > 0
  if (owner.next < state.records && !waiting) {
    const message = `m${owner.next}.${owner.sequence}.${owner.by}`
    const admission = lanes.admission(LANE, owner.next)
    if (admission === 'run' || !protocol.diverts)
      next.push(...handle(state, owner.next, set, took(owner), () => send(message, took(owner))))
    else next.push(admission === 'divert' ? send(message, took(owner)) : set(took(owner)))
  }
  next.push(...commit(state, owner, index, protocol.waitsForAppend ? pending : [], set))
  return [...next, ...runParked(state, owner, lanes, set, send)]
}

function took({ next, done }: Owner): Partial<Owner> {
  return { next: next + 1, done: done | (1 << next) }
}

function handle(
  state: State,
  record: number,
  set: Set,
  change: Partial<Owner>,
  failed: () => State,
): State[] {
  const { completed, failures } = state
  const violation = begins(completed, record)
  const done = set(change, { completed: completed | (1 << record), last: record, violation })
  return failures === 0 ? [done] : [done, { ...failed(), failures: failures - 1, violation }]
}

/** Only the owner of the current generation commits: the second, once there is one. */
function commit(
  state: State,
  owner: Owner,
  index: number,
  pending: readonly string[],
  set: Set,
): State[] {
  if (index === 0 && state.owners[1].phase !== 'idle') return []
  let to = state.committed
  const isWritten = (record: number) => !pending.some((entry) => entry.startsWith(`m${record}.`))
  while ((owner.done & (1 << to)) !== 0 && isWritten(to)) to++
  return to > state.committed ? [set({}, { committed: to })] : []
}

function runParked(
  state: State,
  owner: Owner,
  lanes: ParkedLanes,
  set: Set,
  send: (entry: string, change: Partial<Owner>) => State,
): State[] {
  if (owner.closing !== null) {
    const written = !owner.sent.includes(owner.closing) && !owner.acked.includes(owner.closing)
    return written ? [set({ closing: null })] : []
  }
  const head = lanes.head(LANE)
  if (head === null) return []
  const { completed, failures } = state
  const { origin } = head
  const violation = begins(completed, origin)
  const entry = `d${origin}.${owner.sequence}.${owner.by}`
  const done = send(entry, { closing: entry })
  const ended = { ...done, completed: completed | (1 << origin), last: origin, violation }
  return failures === 0 ? [ended] : [ended, { ...set({}), failures: failures - 1, violation }]
}

function begins(completed: number, record: number): string | null {
  const earlier = (1 << record) - 1
  return (completed & earlier) === earlier
    ? null
    : `order: record ${record} begins before an earlier one was completed`
}

/** What an owner knows that has read so far. */
function lanesOf(log: readonly string[], read: number, voids: boolean): ParkedLanes {
  const lanes = new ParkedLanes()
  for (let offset = 0; offset < read; offset++) {
    const entry = entryOf(log[offset] as string)
    lanes.replay(offset, voids ? entry : forgiven(entry, lanes, offset))
  }
  return lanes
}

function entryOf(text: string): ParkedEntry {
  const [head = '', order, fence] = text.split('.')
  const origin = Number(head.slice(1))
  if (text.startsWith('f')) return { kind: 'fence', by: origin }
  const stamp = { by: Number(fence), sequence: Number(order), lane: LANE, origin }
  if (text.startsWith('d')) return { kind: 'done', ...stamp }
  return { kind: 'message', ...stamp, attempts: 0, dueMs: 0 }
}

/** An entry of the past that counts as if it were of now. */
function forgiven(entry: ParkedEntry, lanes: ParkedLanes, offset: number): ParkedEntry {
  return entry.kind === 'fence' ? entry : { ...entry, by: lanes.owner ?? 0, sequence: offset }
}

function sequenceOf(entry: string): number {
  return entry.startsWith('f') ? -1 : Number(entry.split('.')[1])
}

/** The number of the fence that an entry lies behind, or is. */
function numberOf(entry: string): number {
  return Number(entry.startsWith('f') ? entry.slice(1, 2) : entry.split('.')[2])
}

function withOwner(state: State, index: number, owner: Owner): State {
  const [first, second] = state.owners
  return { ...state, owners: index === 0 ? [owner, second] : [first, owner] }
}

function mapOwners(state: State, change: (owner: Owner) => Owner): State {
  const [first, second] = state.owners
  return { ...state, owners: [change(first), change(second)] }
}

function without(entries: readonly string[], entry: string): readonly string[] {
  const index = entries.indexOf(entry)
  return index < 0 ? entries : entries.toSpliced(index, 1)
}
