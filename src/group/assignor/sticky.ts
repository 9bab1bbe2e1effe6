/**
 * `sticky` and `cooperative-sticky`: balanced first, then as few moves as a balanced assignment can have.
 *
 * Where everybody wants the same topics the loads differ by at most one. Everybody keeps what it holds up to its share; the
 * larger shares go to those who hold most, so no other balanced assignment moves fewer. Mixed subscriptions are the
 * harder problem of `mixed-balance.ts`.
 *
 * Cooperative: members keep working on what they keep. A partition that changes hands is given to nobody in this round;
 * its old owner sees it missing, gives it up and joins again, and the next round hands it over.
 */

import type { Assignment, AssignorInput } from './assignor.ts'
import { balanceMixed } from './mixed-balance.ts'
import { assignmentOf, forEachClaim, type Model, modelOf, NOBODY, ownersOf } from './model.ts'

export function assignSticky(input: AssignorInput): Assignment {
  const model = modelOf(input)
  return assignmentOf(model, stickyOwners(model))
}

export function assignCooperativeSticky(input: AssignorInput): Assignment {
  const model = modelOf(input)
  const owners = stickyOwners(model)
  const wanted = owners.slice()
  // Any claim of another counts, an old one too: it may still be working on it.
  forEachClaim(model, (partition, member) => {
    if (wanted[partition] !== member) owners[partition] = NOBODY
  })
  return assignmentOf(model, owners)
}

function stickyOwners(model: Model): Int32Array {
  const held = ownersOf(model)
  return model.isUniform ? balanceUniform(model, held) : balanceMixed(model, held)
}

function balanceUniform(model: Model, held: Int32Array): Int32Array {
  const memberCount = model.members.length
  const owners = new Int32Array(held.length).fill(NOBODY)
  if (memberCount === 0) return owners
  const loads = new Int32Array(memberCount)
  for (const member of held) if (member !== NOBODY) loads[member] = (loads[member] ?? 0) + 1

  // Who holds most gets the larger share; of equals who comes first.
  const share = Math.floor(held.length / memberCount)
  const room = new Int32Array(memberCount).fill(share)
  const byLoad = Array.from(loads, (load, member) => ({ load, member })).sort(
    (left, right) => right.load - left.load || left.member - right.member,
  )
  for (const { member } of byLoad.slice(0, held.length % memberCount)) room[member] = share + 1

  held.forEach((member, partition) => {
    if (member === NOBODY || (room[member] ?? 0) === 0) return
    owners[partition] = member
    room[member] = (room[member] ?? 0) - 1
  })
  // What is left over is dealt in a circle, so that the partitions of a topic spread.
  let next = 0
  for (let partition = 0; partition < owners.length; partition++) {
    if (owners[partition] !== NOBODY) continue
    while ((room[next] ?? 0) === 0) next = (next + 1) % memberCount
    owners[partition] = next
    room[next] = (room[next] ?? 0) - 1
    next = (next + 1) % memberCount
  }
  return owners
}
