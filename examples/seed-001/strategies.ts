/**
 * Lines 100-109, the four strategies: C joins A and B on six partitions, and what that moves. The default moves least.
 */

import { createTopic, join, partitionsOf, shared } from './broker.ts'

const strategies = ['range', 'roundrobin', 'sticky', 'cooperative-sticky'] as const
for (const assignor of strategies) {
  const topic = `orders-${assignor}`
  await createTopic(topic, 6)
  const config = { groupId: `by-${assignor}`, topics: [topic], assignor }
  await using a = await join('A', config)
  await using b = await join('B', config)
  await shared([a, b], 6)
  const before = [a, b].flatMap((member) =>
    partitionsOf(member)
      .split(', ')
      .map((name) => `${member.memberId} ${name}`),
  )
  await using c = await join('C', config)
  await shared([a, b, c], 6)
  const after = new Set(
    [a, b, c].flatMap((member) =>
      partitionsOf(member)
        .split(', ')
        .map((name) => `${member.memberId} ${name}`),
    ),
  )
  const moved = before.filter((owner) => !after.has(owner)).length
  const shares = [a, b, c].map(({ assignment }) => assignment.length).join(' ')
  console.log(`${assignor.padEnd(18)}  shares ${shares}  moved ${moved}`)
}
