import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ManagementApi } from './management-api.ts'

describe('the management API of RabbitMQ', () => {
  test('is asked page by page, with the credentials of its URL, and for one vhost', async () => {
    const asked: string[] = []
    const pages = [
      { items: [{ name: 'a' }, { name: 'own', exclusive: true }], page_count: 2 },
      { items: [{ name: 'b' }], page_count: 2 },
    ]
    const api = apiOf(async (url, init) => {
      asked.push(`${new Request(url).url} ${new Headers(init?.headers).get('authorization')}`)
      return Response.json(pages[asked.length - 1])
    })
    assert.deepEqual(await api.queueNames(), ['a', 'b'])
    const credentials = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
    assert.deepEqual(
      asked.map((line) => line.replace(/&page_size.*name,exclusive/, '')),
      [1, 2].map((page) => `http://h:15672/api/queues/%2Fa?page=${page} ${credentials}`),
    )
    assert.equal(api.address, 'http://h:15672')
  })

  test('what it does not tell, or tells as something else, is null', async () => {
    const api = apiOf(async () =>
      Response.json({ name: 'q', messages_unacknowledged: 'many', consumer_details: [7, {}] }),
    )
    const queue = await api.queue('q')
    assert.deepEqual(
      [queue?.unacknowledged, queue?.published, queue?.headTimestampMs, queue?.consumers.length],
      [null, null, null, 2],
    )
    assert.equal(await apiOf(async () => new Response('', { status: 404 })).queue('q'), null)
  })

  const failures: readonly (readonly [string, typeof fetch, string, RegExp])[] = [
    [
      'away',
      async () => Promise.reject(new TypeError('fetch failed', { cause: new Error('refused') })),
      'SHOAL_BROKER_UNREACHABLE',
      /does not answer at http:\/\/h:15672 \(refused\)/,
    ],
    [
      'of other credentials',
      async () => new Response('{}', { status: 401 }),
      'SHOAL_REQUEST_FAILED',
      /refused the user or the password/,
    ],
    [
      'not RabbitMQ',
      async () => new Response('<html>'),
      'SHOAL_REQUEST_FAILED',
      /answered what is not JSON/,
    ],
    [
      'in trouble',
      async () => new Response('oops', { status: 500 }),
      'SHOAL_REQUEST_FAILED',
      /answered 500/,
    ],
    ['endless', async () => new Response(endless()), 'SHOAL_REQUEST_FAILED', /answered more than/],
  ]
  for (const [what, answer, code, message] of failures)
    test(`that is ${what} is one sentence, without the password`, async () => {
      await assert.rejects(apiOf(answer).consumers(), (error: Error & { code?: string }) => {
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return !error.message.includes('p@ss') && !error.message.includes('p%40ss')
      })
    })
})

function apiOf(answer: typeof fetch): ManagementApi {
  return new ManagementApi({
    url: 'http://me:p%40ss@h:15672/',
    vhost: '/a',
    timeoutMs: 60_000,
    fetch: answer,
  })
}

function endless(): ReadableStream<Uint8Array> {
  const chunk = new Uint8Array(16 * 1024 * 1024)
  return new ReadableStream({ pull: (controller) => controller.enqueue(chunk) })
}
