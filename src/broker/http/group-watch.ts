/** Wakes polls when members or assignments of their group change. Commits and deliveries do not wake anybody. */

import type { GroupRecord } from '../../group/index.ts'
import type { GroupService } from '../group-service.ts'

/** Records that may concern who has which partition. */
const MEMBERSHIP: ReadonlySet<GroupRecord['kind']> = new Set([
  'group-epoch',
  'consumer-member',
  'consumer-member-left',
  'consumer-member-replaced',
  'target-assignment',
  'member-epoch',
  'consumer-group',
  'group',
  'group-deleted',
])

export class GroupWatch {
  readonly #watchers = new Map<string, Set<() => void>>()

  constructor(groups: Pick<GroupService, 'onRecords'>) {
    groups.onRecords((records) => {
      if (this.#watchers.size > 0) this.#tell(records)
    })
  }

  /** Calls `changed` at every change of the group; answers how to stop that. */
  watch(groupId: string, changed: () => void): { cancel(): void } {
    const watchers = this.#watchers.get(groupId) ?? new Set()
    this.#watchers.set(groupId, watchers.add(changed))
    return {
      cancel: () => {
        watchers.delete(changed)
        if (watchers.size === 0 && this.#watchers.get(groupId) === watchers)
          this.#watchers.delete(groupId)
      },
    }
  }

  #tell(records: readonly GroupRecord[]): void {
    const changed = new Set<string>()
    for (const record of records)
      if (MEMBERSHIP.has(record.kind) && 'groupId' in record) changed.add(record.groupId)
    for (const groupId of changed) for (const tell of this.#watchers.get(groupId) ?? []) tell()
  }
}
