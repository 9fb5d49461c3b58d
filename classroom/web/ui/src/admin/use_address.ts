/** What a section shows stands in its address: a reload, a link and the way back show the same. */

import { useRoute, useRouter } from "vue-router";

export function useAddress() {
  const route = useRoute();
  const router = useRouter();

  /** What the address says by this name; empty if nothing. */
  function one(name: string): string {
    const value = route.query[name];
    return typeof value === "string" ? value : "";
  }

  function number(name: string): number | null {
    return /^[1-9]\d{0,9}$/.test(one(name)) ? Number(one(name)) : null;
  }

  /** Say something else in the address; what is empty is left out of it. */
  function go(changed: Record<string, string | number | null>): void {
    const query = { ...route.query, ...changed };
    void router.replace({
      query: Object.fromEntries(
        Object.entries(query).flatMap(([name, value]) => (value ? [[name, String(value)]] : [])),
      ),
    });
  }

  return { one, number, go };
}
