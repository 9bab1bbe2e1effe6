/**
 * Kafka's `roundrobin`: all partitions in order, dealt to the members in a circle; who does not want a topic is passed over.
 */

import type { Assignment, AssignorInput } from './assignor.ts'
import { assignmentOf, modelOf, NOBODY, partitionCountOf } from './model.ts'

export function assignRoundRobin(input: AssignorInput): Assignment {
  const model = modelOf(input)
  const owners = new Int32Array(partitionCountOf(model)).fill(NOBODY)
  let turn = 0
  model.subscribers.forEach((subscribers, topic) => {
    const end = model.base[topic + 1] ?? 0
    let place = placeOf(subscribers, turn)
    for (let partition = model.base[topic] ?? 0; partition < end; partition++) {
      const member = subscribers[place % subscribers.length] ?? NOBODY
      owners[partition] = member
      turn = member + 1
      place++
    }
  })
  return assignmentOf(model, owners)
}

/** The place of the first subscriber whose turn it is at `turn` or later in the circle. */
function placeOf(subscribers: readonly number[], turn: number): number {
  let low = 0
  let high = subscribers.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((subscribers[middle] ?? 0) < turn) low = middle + 1
    else high = middle
  }
  return low % Math.max(1, subscribers.length)
}
