/**
 * Journal files that nobody needs any more, kept to be written over: that costs less than a new file does, because the
 * disk has given the space and the kernel has the pages, and a sync has no new size to record.
 *
 *   covered by a checkpoint ─▶ spare, under its old name ─▶ renamed to the next number, written from the front
 *
 * What is left of its former life behind the new frames has another file number in every frame, so recovery ends before
 * it. That holds because a number is used once: only files that this process ended become spares. Those of an earlier
 * life may hold frames, written and never synced, of a number that was given again; they are removed.
 */

import type { FileStore } from './file-store.ts'
import { JOURNAL_FOLDER, journalPath, numberOfJournal } from './journal-file.ts'

export class JournalSpares {
  readonly #files: FileStore
  readonly #limit: number
  /** Numbers of files that this process wrote, ended, and did not use or remove since. */
  readonly #ended = new Set<number>()
  /** Those of them that may be written over. */
  readonly #spares: number[] = []

  /** @param limit how many are kept at most */
  constructor(files: FileStore, limit: number) {
    this.#files = files
    this.#limit = limit
  }

  ended(number: number): void {
    this.#ended.add(number)
  }

  /** The files below `fileNumber` are not needed any more: some become spares, the others go. */
  async trim(fileNumber: number): Promise<void> {
    for (const { name } of await this.#files.list(JOURNAL_FOLDER)) {
      const number = numberOfJournal(name)
      if (number === null || number >= fileNumber || this.#spares.includes(number)) continue
      if (this.#ended.has(number) && this.#spares.length < this.#limit) this.#spares.push(number)
      else await this.#files.remove(journalPath(number))
      this.#ended.delete(number)
    }
  }

  /** Gives a spare the name of the file that comes next. False when there is none. */
  async use(number: number): Promise<boolean> {
    const spare = this.#spares.shift()
    if (spare === undefined) return false
    await this.#files.rename(journalPath(spare), journalPath(number))
    return true
  }

  /** Gives all space back: the disk is full, or the journal is about to close. */
  async drop(): Promise<void> {
    for (const number of this.#spares.splice(0)) await this.#files.remove(journalPath(number))
  }
}
