export default {
  product: "联体课堂",
  tagline: "一堂课，许多教室",
  language: { label: "语言", other: "English" },
  title: {
    home: "联体课堂",
    class: "上课",
    teacher: "主讲端",
    terminal: "听讲终端",
    replay: "回放",
    library: "课程库",
    signin: "登录",
    admin: "管理",
    missing: "找不到页面",
  },
  label: { camera: "教师画面", slides: "课件", screen: "屏幕", mic: "声音" },
  role: {
    teacher: "主讲教师",
    classroom: "听讲教室",
    capture: "采集端",
    observer: "观摩",
    recorder: "录制",
    node: "转发节点",
  },
  refused: {
    unauthorized: {
      title: "这个地址已经失效",
      text: "地址里的令牌不对，或者已经过期。请向管理员要一个新地址，重新打开。",
    },
    forbidden: {
      title: "这个地址不能用在这里",
      text: "地址里的令牌属于另一堂课，或者没有这个权限。请核对地址。",
    },
    unknown_lesson: { title: "没有找到这堂课", text: "服务器上没有这堂课。请核对地址，或等老师开课。" },
    replaced: {
      title: "这里打开的页面太多",
      text: "同一个账号或设备打开的页面太多，这个页面最早，已经断开。请关掉不用的页面，然后刷新这里。",
    },
    again: "稍后自动再试",
    detail: "服务器说：{detail}",
  },
  connection: {
    connecting: "正在连接服务器…",
    lost: "与服务器的连接断开，正在重新连接…",
    good: "信号良好",
    fair: "信号一般",
    poor: "信号较弱",
    none: "没有信号",
    figures: "{rate} Mbit/s · 丢包 {loss}% · 往返 {rtt} ms",
  },
  home: {
    lead: "城里的老师开课，村里的教室同时上课；下课后，这堂课留给每一个人。",
    doors: "从哪里进",
    signIn: { title: "登录", text: "老师看今天的课，一键上课；管理员看各校的情况。" },
    terminal: { title: "听讲终端", text: "村小教室的大屏幕打开这一页，会自己进入课堂。" },
    library: { title: "课程库", text: "录下的每一堂课：课件和老师并排回看，声画同步。" },
    token:
      "每个地址都带着令牌，形如 {address}。运行 {command} 时会打印三个完整的地址；管理员也可以用 {token} 生成。",
  },
  missing: { title: "这里没有课", text: "这个地址不存在。请核对一下，或者回到首页。", home: "回到首页" },
  noToken: {
    title: "地址里缺少令牌",
    text: "请用管理员给的完整地址打开，地址末尾应该有 {sample}。",
  },
  terminal: {
    crashed: "页面出了点问题，马上重新打开…",
  },
  teacher: { source: { stopped: "已停止" } },
};
