/**
 * The least that a program on Node can do with what a producer sends: read a socket into one buffer of a mebibyte, and
 * when that is full take its CRC-32C, write it to the end of a file and have that synced, as far as the steps say.
 *
 * Arguments: file steps (`read`, `crc`, `write`, `sync`; each with those before it). Prints its port, then, when the
 * connection ended, the bytes it has read.
 */

import { fdatasync, openSync, writeSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { crc32c } from '../../src/protocol/index.ts'

const STEPS = ['read', 'crc', 'write', 'sync']
const BUFFER_BYTES = 2 ** 20

const [path = '', last = 'sync'] = process.argv.slice(2)
const steps = new Set(STEPS.slice(0, STEPS.indexOf(last) + 1))
const file = openSync(path, 'w')
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
let filled = 0
let received = 0
let syncing = false
let dirty = false

function full(): void {
  filled = 0
  if (steps.has('crc')) crc32c(buffer)
  if (steps.has('write')) writeSync(file, buffer)
  dirty = steps.has('sync')
  syncSoon()
}

/** One sync at a time, for everything that came meanwhile. */
function syncSoon(): void {
  if (syncing || !dirty) return
  syncing = true
  dirty = false
  fdatasync(file, (error) => {
    if (error !== null) throw error
    syncing = false
    syncSoon()
  })
}

const server = createServer({ pauseOnConnect: true }, (accepted) => {
  // As in src/broker/tcp-network.ts: only a socket that one makes reads where one says.
  const owner = accepted as unknown as { _handle: object | null }
  const handle = owner._handle
  owner._handle = null
  const onread = {
    buffer: () => buffer.subarray(filled),
    callback: (length: number) => {
      received += length
      filled += length
      if (filled === BUFFER_BYTES) full()
      return true
    },
  }
  const socket = new Socket({ handle, manualStart: true, onread } as object)
  socket.on('end', () => process.stdout.write(`${received}\n`))
  socket.resume()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`)
})
