// A checkout with a client that is generated from the front door's description:
//
//	npm ci && npm run generate && npm run build && npm start
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.js'

type Problem = components['schemas']['Problem']

const client = createClient<paths>({
  baseUrl: process.env.ISSUANCE_URL ?? 'http://localhost:8090',
  headers: { Authorization: `Bearer ${process.env.ISSUANCE_TOKEN ?? ''}` },
})

// Repeating a request is always safe: the order's number stays the same.
async function patiently<T extends { response: Response }>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await call().catch(error => {
      if (attempt === 10) throw error
    })
    if (answer && (attempt === 10 || (answer.response.status < 500 && answer.response.status !== 429))) return answer
    await new Promise(done => setTimeout(done, 2000))
  }
}

const path = { account: 'ecticket', order_id: `TS${Date.now()}` }

const placed = await patiently(() =>
  client.PUT('/v1/orders/{account}/{order_id}', {
    params: { path },
    body: { IssueType: '4', Operator: 'ts', TicketInfo: [{ ItemName: '一日入場券', TicketPrice: 500, TicketAmount: 1 }] },
  }),
)
if (placed.error) {
  const problem: Problem = placed.error
  for (const v of problem.violations ?? []) console.error(`${v.pointer ?? v.where}: ${v.rule}`)
  throw new Error(problem.detail)
}

const { data } = await patiently(() =>
  client.GET('/v1/orders/{account}/{order_id}', { params: { path, query: { wait: 60 } } }),
)
console.log(`${path.order_id}: ${data?.state}`)
