/**
 * The `range` of KIP-848 groups: topic by topic balanced within one, and of all such assignments one with the fewest moves.
 *
 * From nothing it is the clients' `range`: runs of neighbouring partitions in the order of members. Later everybody keeps
 * its lowest partitions up to its share; what is left over goes out in runs. So topics with the same subscribers, partition
 * counts and past land on the same members, which is what joins need.
 */

import type { Assignment, AssignorInput } from './assignor.ts'
import { assignmentOf, type Model, modelOf, NOBODY, ownersOf } from './model.ts'

export function assignStickyRange(input: AssignorInput): Assignment {
  const model = modelOf(input)
  const owners = ownersOf(model)
  model.subscribers.forEach((_, topic) => balanceTopic(model, owners, topic))
  return assignmentOf(model, owners)
}

function balanceTopic({ base, subscribers }: Model, owners: Int32Array, topic: number): void {
  const members = subscribers[topic] ?? []
  const first = base[topic] ?? 0
  const end = base[topic + 1] ?? 0
  const share = Math.floor((end - first) / members.length)
  const held = new Map<number, number>()
  for (let at = first; at < end; at++) {
    const owner = owners[at] ?? NOBODY
    held.set(owner, (held.get(owner) ?? 0) + 1)
  }

  // Who holds more than its share keeps one more, while there are larger shares; then the others in order.
  let larger = (end - first) % members.length
  const room = new Map(members.map((member) => [member, share]))
  const enlarge = (member: number) => {
    room.set(member, share + 1)
    larger--
  }
  for (const member of members) if (larger > 0 && (held.get(member) ?? 0) > share) enlarge(member)
  for (const member of members) if (larger > 0 && room.get(member) === share) enlarge(member)

  for (let at = first; at < end; at++) {
    const owner = owners[at] ?? NOBODY
    const left = room.get(owner) ?? 0
    if (left > 0) room.set(owner, left - 1)
    else owners[at] = NOBODY
  }
  let next = 0
  for (let at = first; at < end; at++) {
    if (owners[at] !== NOBODY) continue
    while ((room.get(members[next] ?? NOBODY) ?? 0) === 0) next++
    const member = members[next] ?? NOBODY
    owners[at] = member
    room.set(member, (room.get(member) ?? 0) - 1)
  }
}
