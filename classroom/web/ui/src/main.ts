import { createApp } from "vue";
import App from "./App.vue";
import { i18n, loadLanguage } from "./i18n";
import { router } from "./router";
import "./theme/tokens.css";
import "./theme/base.css";

// A token pasted into an open page means another lesson or another right: begin anew with it.
window.addEventListener("hashchange", () => location.reload());

await loadLanguage().catch(console.warn); // without the English texts there are the Chinese ones
createApp(App).use(i18n).use(router).mount("#app");
