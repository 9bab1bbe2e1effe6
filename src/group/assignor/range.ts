/**
 * Kafka's `range`: topic by topic, each of its subscribers gets one run of neighbouring partitions; the first ones get one
 * more where it does not divide. Topics with the same subscribers and partition counts land on the same members, which
 * is what joins need; over many small topics the first members get more.
 */

import type { Assignment, AssignorInput } from './assignor.ts'
import { assignmentOf, modelOf, NOBODY, partitionCountOf } from './model.ts'

export function assignRange(input: AssignorInput): Assignment {
  const model = modelOf(input)
  const owners = new Int32Array(partitionCountOf(model)).fill(NOBODY)
  model.subscribers.forEach((subscribers, topic) => {
    let next = model.base[topic] ?? 0
    const partitionCount = (model.base[topic + 1] ?? 0) - next
    const share = Math.floor(partitionCount / subscribers.length)
    const extra = partitionCount % subscribers.length
    subscribers.forEach((member, place) => {
      const end = next + share + (place < extra ? 1 : 0)
      owners.fill(member, next, end)
      next = end
    })
  })
  return assignmentOf(model, owners)
}
