/**
 * How long an assignor takes for 1,000 members and 10,000 partitions: from nothing, and when one member comes or goes.
 *
 * Ten topics of 1,000 partitions, everybody wants all of them; in this process, one thread. What it does not show: mixed
 * subscriptions, which take longer.
 */

import { serverAssignors } from '../src/group/index.ts'
import type { AssignorMember } from '../src/group/index.ts'
import { contest, publish, type Contender } from './contest.ts'

const MEMBERS = 1_000
const TOPICS = 10
const PARTITIONS_A_TOPIC = 1_000

const topics = Array.from({ length: TOPICS }, (_, index) => `topic-${index}`)
const partitionCounts = new Map(topics.map((topic) => [topic, PARTITIONS_A_TOPIC]))

const contenders = Object.entries(serverAssignors).map(([name, assign]): Contender => ({
  name,
  async turn() {
    const fresh = membersOf(MEMBERS)
    const [first, freshMs] = timed(() => assign({ members: fresh, partitionCounts }))
    const settled = fresh.map((member) => ({
      ...member,
      ownedPartitions: first.get(member.memberId) ?? [],
    }))
    const [, joinMs] = timed(() =>
      assign({ members: [...settled, ...membersOf(1, MEMBERS)], partitionCounts }),
    )
    const [, leaveMs] = timed(() => assign({ members: settled.slice(1), partitionCounts }))
    return { freshMs, joinMs, leaveMs }
  },
}))

const figures = await contest(contenders)
await publish('assignors', {
  question: `milliseconds to assign ${TOPICS * PARTITIONS_A_TOPIC} partitions to ${MEMBERS} members`,
  rows: [...figures].map(([assignor, row]) => ({ assignor, ...row })),
})

function membersOf(count: number, first = 0): readonly AssignorMember[] {
  return Array.from({ length: count }, (_, index) => ({
    memberId: `member-${String(first + index).padStart(5, '0')}`,
    groupInstanceId: null,
    topics,
    ownedPartitions: [],
    generation: 1,
  }))
}

function timed<T>(run: () => T): [result: T, ms: number] {
  const startMs = performance.now()
  const result = run()
  return [result, performance.now() - startMs]
}
