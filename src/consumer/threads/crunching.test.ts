/** Not a test: the module that the tests of this folder run in worker threads. */

import type { ThreadContext } from './thread-messages.ts'

export async function handle(value: unknown, ctx: ThreadContext): Promise<unknown> {
  const { task } = value as { readonly task: string }
  switch (task) {
    case 'die':
      if (ctx.attempt === 1) process.exit(7)
      return undefined
    case 'throw':
      throw Object.assign(new RangeError(`${ctx.id} is too much`), { code: 'TOO_MUCH' })
    case 'skip':
      return { skip: 'as asked' }
    case 'wait':
      await new Promise<void>((resolve) => {
        ctx.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      throw new Error(`aborted: ${String(ctx.signal.reason)}`)
    default:
      return undefined
  }
}
