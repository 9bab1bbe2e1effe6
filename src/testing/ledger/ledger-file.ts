/**
 * The file of a crash ledger: workers append, the parent reads what is new.
 *
 * Both ends are synchronous: a line is in the kernel before the handler goes on, which is what a SIGKILL leaves.
 */

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { entryLine, parseEntry } from './lines.ts'
import type { LedgerEntry } from './lines.ts'

const READ_BYTES = 64 * 1024

/** Appends entries, each in one write. */
export class LedgerWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(entry: LedgerEntry): void {
    writeSync(this.#file, entryLine(entry))
  }
}

/** Reads whole lines, each once. */
export class LedgerReader implements Disposable {
  readonly path: string
  readonly #file: number
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  private constructor(path: string, file: number) {
    this.path = path
    this.#file = file
  }

  /** An empty ledger in a temporary folder of its own. */
  static create(): LedgerReader {
    const path = join(mkdtempSync(join(tmpdir(), 'shoal-ledger-')), 'ledger')
    return new LedgerReader(path, openSync(path, 'a+'))
  }

  /** What was written since the last call. */
  read(): readonly LedgerEntry[] {
    const chunk = new Uint8Array(READ_BYTES)
    for (;;) {
      const count = readSync(this.#file, chunk)
      if (count === 0) break
      this.#rest += this.#decoder.write(Buffer.from(chunk.subarray(0, count)))
    }
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map(parseEntry)
  }

  /** Removes the file and its folder. */
  [Symbol.dispose](): void {
    closeSync(this.#file)
    rmSync(dirname(this.path), { recursive: true, force: true })
  }
}
