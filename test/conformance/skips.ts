/**
 * What each backend skips of the source suite, and why: behaviour (the name of its test) to reason.
 *
 * Data alone, so that a table of what each broker can do is printed from it without running anything; the suite runs by it,
 * and fails for a behaviour that it does not know. `behaviours` of `source-suite.ts` lists all of them in order.
 */

export type Skips = Readonly<Record<string, string>>

const NO_POSITIONS = 'a queue stores no positions: what is acknowledged is gone from it'

const NO_READING = 'a queue cannot be read without taking from it'

const SHARED = "all members read the whole stream: no partition is anybody's"

const NO_SHARED_POSITIONS = 'entries are acknowledged one by one: the group has no position'

const NO_SHARED_ORDER = 'members side by side keep no order, so nothing is parked or read back'

const NO_EXPULSION =
  'no lease can be taken away: an entry goes to others when it was idle (`test/e2e/redis-streams.test.ts`)'

/** Logs with positions: the runtime writes the letter, then commits past the record. */
const POSITIONS = {
  'a dead letter ends its record at the broker, once, and no other record':
    'the letter is written first and a position committed after it: a crash in between writes it again, with the same id',
  'a dead letter of a record that is no longer ours ends nothing':
    'a letter is a record like any other, whoever writes it; the position of a former owner is refused',
  'a record that a member took and lost says how often it was handed out':
    'a log counts no deliveries',
  'a record that was handed out too often goes to the dead letters instead of running again':
    'a log counts no deliveries',
} as const satisfies Skips

export const skips = {
  memory: POSITIONS,
  shoal: POSITIONS,
  kafka: POSITIONS,
  'redis-streams': {},
  'redis-streams-competing': {
    'says when everything there is was delivered': 'what others take is not seen: no end is told',
    'a commit with its metadata survives, and the next member starts there': NO_SHARED_POSITIONS,
    'a commit of an epoch that is over is stale and changes nothing': NO_SHARED_POSITIONS,
    'two members share the partitions, and a partition moves only after its owner drained': SHARED,
    'what a member leaves behind goes to those who stay': SHARED,
    'a member that was thrown out is told lost, not revoked, and comes back in a new epoch': SHARED,
    'reads back what it appended to any topic, from any offset': NO_SHARED_ORDER,
    'a dead letter of a record that is no longer ours ends nothing': NO_EXPULSION,
    'a record that a member took and lost says how often it was handed out': NO_EXPULSION,
    'a record that was handed out too often goes to the dead letters instead of running again':
      NO_EXPULSION,
    'a parked key holds its records, in order, until they can be handled, over a restart':
      NO_SHARED_ORDER,
  },
  rabbitmq: {
    'reads back what it appended to any topic, from any offset': NO_READING,
    'a parked key holds its records, in order, until they can be handled, over a restart':
      NO_READING,
    'a commit with its metadata survives, and the next member starts there': NO_POSITIONS,
    'a commit of an epoch that is over is stale and changes nothing': NO_POSITIONS,
    'two members share the partitions, and a partition moves only after its owner drained':
      NO_POSITIONS,
    'what a member leaves behind goes to those who stay': NO_POSITIONS,
    'says when everything there is was delivered': 'a queue does not say that it has nothing more',
  },
} as const satisfies Readonly<Record<string, Skips>>

export type Backend = keyof typeof skips
