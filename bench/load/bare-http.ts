/**
 * The least that a server on `node:http` can do with a message that has to be on the disk before its answer: take the
 * body, write a record of `recordBytes` to a file whose room was written before, have it synced with all that came
 * meanwhile, and answer. It parses nothing and keeps no log, so it is an upper bound, not a peer.
 *
 * Arguments: file recordBytes. Prints its port.
 */

import { fdatasync, fsyncSync, openSync, writeSync, writevSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'

const ROOM_BYTES = 64 * 2 ** 20
const ANSWER = '{"results":[{"partition":0,"offset":1234567}]}'

const [path = '', recordBytes = '300'] = process.argv.slice(2)
const record = Buffer.alloc(Number(recordBytes), 1)
const file = openSync(path, 'w')
writeSync(file, Buffer.alloc(ROOM_BYTES))
fsyncSync(file)

let position = 0
let waiting: ServerResponse[] = []
let isSyncing = false
let isWoken = false

const server = createServer((request, response) => {
  request.resume()
  request.once('end', () => {
    waiting.push(response)
    if (isSyncing || isWoken) return
    isWoken = true
    setImmediate(syncRound)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : address)
})
process.once('SIGTERM', () => process.exit())

/** One sync at a time, for everything that came meanwhile; the next one is asked for before the answers are written. */
function syncRound(): void {
  isWoken = false
  if (waiting.length === 0) return
  const round = waiting
  waiting = []
  isSyncing = true
  const length = round.length * record.length
  if (position + length > ROOM_BYTES) position = 0
  const records = Array.from(round, () => record)
  writevSync(file, records, position)
  position += length
  fdatasync(file, (error) => {
    if (error !== null) throw error
    isSyncing = false
    syncRound()
    for (const response of round) answer(response)
  })
}

function answer(response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': ANSWER.length,
  })
  response.end(ANSWER)
}
