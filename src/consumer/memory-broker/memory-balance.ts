/**
 * Who gets which partition in a memory group: pure.
 *
 * Loads differ by one at most, and no more partitions move than that takes.
 */

export interface BalanceInput {
  /** Every partition, with who may have it. */
  readonly partitions: readonly { readonly id: string; readonly members: readonly string[] }[]
  /** Who has it now. */
  readonly owners: ReadonlyMap<string, string>
}

export function balance({ partitions, owners }: BalanceInput): Map<string, string> {
  const target = new Map<string, string>()
  const loads = new Map<string, number>()
  const load = (member: string) => loads.get(member) ?? 0
  const give = (id: string, member: string) => {
    const former = target.get(id)
    if (former !== undefined) loads.set(former, load(former) - 1)
    target.set(id, member)
    loads.set(member, load(member) + 1)
  }
  const least = (members: readonly string[]) =>
    members.reduce((best, member) => (load(member) < load(best) ? member : best))

  for (const { id, members } of partitions) {
    const owner = owners.get(id)
    if (owner !== undefined && members.includes(owner)) give(id, owner)
  }
  for (const { id, members } of partitions)
    if (!target.has(id) && members.length > 0) give(id, least(members))
  for (let moved = true; moved;) {
    moved = false
    for (const { id, members } of partitions) {
      const owner = target.get(id)
      if (owner === undefined || load(owner) - load(least(members)) < 2) continue
      give(id, least(members))
      moved = true
    }
  }
  return target
}
