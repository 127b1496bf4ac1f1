import { defineConfig } from 'vitest/config'

// Tests against real servers and a real browser: `npm run e2e`, after `npm run build` and
// `go build -o bin/ ./appliance/cmd/...` in the repository's root.
export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
})
