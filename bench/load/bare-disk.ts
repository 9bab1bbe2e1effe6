/**
 * What the disk alone allows who answers one record after the other: a write and a sync of it, with no program around them.
 *
 * Into room that was written before, as the journal has it: a sync that changes a file's size takes longer.
 */

import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Records a second, written and synced one after the other where temporary files are. */
export function syncsPerSecond(count: number, recordBytes: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-disk-'))
  const file = openSync(join(folder, 'file'), 'w')
  try {
    writeSync(file, Buffer.alloc(count * recordBytes))
    fsyncSync(file)
    const record = Buffer.alloc(recordBytes, 1)
    const startMs = performance.now()
    for (let index = 0; index < count; index++) {
      writeSync(file, record, 0, recordBytes, index * recordBytes)
      fdatasyncSync(file)
    }
    return count / ((performance.now() - startMs) / 1_000)
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true })
  }
}
