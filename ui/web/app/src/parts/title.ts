import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { nodeQuery } from '../api/queries'

/** Names the browser's tab while a view is shown. */
export function useTitle(title: string) {
  const name = useQuery({ ...nodeQuery, enabled: false }).data?.name
  useEffect(() => {
    document.title = [title, name, 'Skerry'].filter(Boolean).join(' · ')
  }, [title, name])
}
